"""The JSON API over real HTTP: the contracts as JSON, each command once, edits of what was read (PO-01)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from ruum.identity.v1 import identity_pb2
from ruum.points.v1 import points_pb2
from ruum.rooms.v1 import rooms_pb2
from services.chassis.errors import Changed, RequestReused, StillRunning
from services.chassis.ids import new_id
from services.gateway.routes.table import ENDPOINTS
from tests.gateway.fakes import Fake, Members
from tests.gateway.house import House

Neighbours = Mapping[str, Fake]
CHANGES = [endpoint for group in ENDPOINTS.values() for endpoint in group if endpoint.verb != "GET"]
QUESTIONS = [endpoint for group in ENDPOINTS.values() for endpoint in group if endpoint.verb == "GET"]
SIGN_IN = {"address": "hana@example.jp", "password": "見本", "language": "ja"}


def path_of(endpoint: Any) -> str:
    """The endpoint's path with an id of the right form wherever one stands."""
    ids = {name: new_id(name.removesuffix("_id")[:3] if name != "room_id" else "room") for name in endpoint.in_path}
    ids |= {"flow_id": new_id("flow")}
    return f"/api/v1{endpoint.path.format(**ids)}"


async def test_a_member_asks_as_themselves(
    house: House, session: str, neighbours: Neighbours, members: Members
) -> None:
    answer = await house.get("/api/v1/points", session)

    assert answer.status_code == 200
    assert answer.json()["lapses"] == [{"last_day": "2026-05-31", "points": 7}]
    [(method, _, caller)] = neighbours["points"].asked
    assert (method, caller) == ("GetBalance", members.who(session))


async def test_whoever_is_not_signed_in_is_asked_for_by_the_gateway(house: House, neighbours: Neighbours) -> None:
    await house.get("/api/v1/products?category=spare-key")

    [(method, request, caller)] = neighbours["store"].asked
    assert (method, request.category, caller.principal) == ("ListProducts", "spare-key", "service:gateway")


@pytest.mark.parametrize("endpoint", QUESTIONS, ids=lambda endpoint: endpoint.rpc.name)
async def test_every_question_is_answered_with_every_field_of_its_contract(
    house: House, session: str, endpoint: Any
) -> None:
    answer = await house.get(path_of(endpoint), session)

    assert answer.status_code == 200
    assert set(answer.json()) == set(endpoint.rpc.output_type.fields_by_name)


@pytest.mark.parametrize("endpoint", [one for one in CHANGES if one.signed_in], ids=lambda one: one.rpc.name)
async def test_nobody_changes_anything_without_a_session(house: House, neighbours: Neighbours, endpoint: Any) -> None:
    answer = await house.post(path_of(endpoint), verb=endpoint.verb, json={})

    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")
    assert not neighbours[endpoint.audience].asked


async def test_what_a_contract_leaves_out_is_null(house: House, session: str, neighbours: Neighbours) -> None:
    neighbours["points"].answers["GetBalance"] = points_pb2.Balance(available=5)

    answer = (await house.get("/api/v1/points", session)).json()

    assert (answer["available"], answer["held"], answer["lapses"], answer["next_grant_on"]) == (5, 0, [], None)


async def test_a_list_is_paged_by_cursor_and_size(house: House, session: str, neighbours: Neighbours) -> None:
    await house.get("/api/v1/points/entries?cursor=abc&size=5", session)

    [(_, request, _)] = neighbours["points"].asked
    assert (request.page.cursor, request.page.size) == ("abc", 5)


@pytest.mark.rule("SK-01")
async def test_keys_are_offered_for_the_askers_own_rooms(
    house: House, session: str, members: Members, neighbours: Neighbours
) -> None:
    rooms = [new_id("room"), new_id("room")]
    own = [rooms_pb2.Membership(room_id=room_id) for room_id in rooms]
    neighbours["rooms"].answers["ListMyRooms"] = rooms_pb2.ListMyRoomsResponse(rooms=own)

    answer = await house.get("/api/v1/spare-keys/options", session)

    [(_, request, asker)] = neighbours["sparekey"].asked
    assert answer.status_code == 200
    assert (list(request.room_ids), asker) == (rooms, members.who(session))
    assert neighbours["rooms"].asked[0][2] == members.who(session)


async def test_nobody_says_which_rooms_are_theirs(house: House, session: str, neighbours: Neighbours) -> None:
    answer = await house.get(f"/api/v1/spare-keys/options?room_ids={new_id('room')}", session)

    assert answer.status_code == 400
    assert [wrong["code"] for wrong in answer.json()["errors"]] == ["field-unknown"]
    assert not neighbours["sparekey"].asked


@pytest.mark.rule("PR-12")
@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("size=many", "page.size", "field-not-int32"),
        ("size=101", "page.size", "field-int32-gte-lte"),
        ("size=--5", "page.size", "field-not-int32"),
        ("size=%EF%BC%95", "page.size", "field-not-int32"),
        ("size=99999999999", "page.size", "field-not-int32"),
        ("size=" + "9" * 5000, "page.size", "field-not-int32"),
        ("cursor=" + "x" * 513, "page.cursor", "field-string-max-len"),
        ("colour=red", "colour", "field-unknown"),
    ],
)
async def test_a_question_that_is_not_right_is_told_its_field(
    house: House, session: str, query: str, field: str, code: str
) -> None:
    answer = await house.get(f"/api/v1/points/entries?{query}", session)

    assert answer.status_code == 400
    assert [(wrong["field"], wrong["code"]) for wrong in answer.json()["errors"]] == [(field, code)]


# Each command once.


@pytest.mark.rule("PO-01")
@pytest.mark.parametrize("endpoint", CHANGES, ids=lambda endpoint: endpoint.rpc.name)
async def test_every_change_needs_an_idempotency_key(
    house: House, session: str, neighbours: Neighbours, endpoint: Any
) -> None:
    answer = await house.ask(endpoint.verb, path_of(endpoint), session, json={})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")
    assert not [method for method, _, _ in neighbours[endpoint.audience].asked if method != "IssueToken"]


@pytest.mark.parametrize("key", ["short", "x" * 129, "with a space", "schlüssel-1"])
async def test_a_key_of_another_form_is_told(house: House, key: str) -> None:
    answer = await house.ask("POST", "/api/v1/sessions", headers={"Idempotency-Key": key.encode("latin-1")})

    assert answer.status_code == 400
    assert [wrong["field"] for wrong in answer.json()["errors"]] == ["Idempotency-Key"]


async def test_the_key_is_the_commands_request_id(house: House, neighbours: Neighbours) -> None:
    key = str(uuid4())

    await house.post("/api/v1/sessions", key=key, json=SIGN_IN)

    assert neighbours["identity"].asked[0][1].request_id == key


async def test_a_key_used_for_something_else_is_unprocessable(house: House, neighbours: Neighbours) -> None:
    neighbours["identity"].answers["SignIn"] = RequestReused()

    answer = await house.post("/api/v1/sessions", json=SIGN_IN)

    assert (answer.status_code, answer.json()["code"]) == (422, "request-id-reused")
    assert answer.json()["retryable"] is False


@pytest.mark.rule("PR-10")
async def test_a_repeat_of_what_is_under_way_waits_and_then_may_try_again(house: House, neighbours: Neighbours) -> None:
    async def waits(_: Any) -> Any:
        await asyncio.sleep(5.1)
        raise StillRunning

    neighbours["identity"].answers["SignIn"] = waits

    answer = await house.post("/api/v1/sessions", json=SIGN_IN)

    assert (answer.status_code, answer.json()["code"]) == (409, "request-still-running")
    assert answer.json()["retryable"] is True
    assert int(answer.headers["retry-after"]) >= 1


# Edits.


async def test_what_may_be_edited_is_read_with_its_version(house: House, session: str, neighbours: Neighbours) -> None:
    neighbours["identity"].answers["GetProfile"] = identity_pb2.Profile(version=41)

    answer = await house.get("/api/v1/profile", session)

    assert (answer.headers["etag"], answer.json()["version"]) == ('"41"', 41)


@pytest.mark.parametrize("match", ['"41"', 'W/"41"'])
async def test_an_edit_says_with_if_match_what_it_edits(
    house: House, session: str, neighbours: Neighbours, match: str
) -> None:
    await house.post("/api/v1/profile", session, verb="PATCH", json={"name": "見本 花子"}, headers={"If-Match": match})

    [request] = [request for method, request, _ in neighbours["identity"].asked if method == "UpdateProfile"]
    assert (request.version, request.name, request.HasField("kana")) == (41, "見本 花子", False)


async def test_an_edit_may_say_the_version_in_its_body(house: House, session: str, neighbours: Neighbours) -> None:
    await house.post("/api/v1/profile", session, verb="PATCH", json={"version": 3})

    [request] = [request for method, request, _ in neighbours["identity"].asked if method == "UpdateProfile"]
    assert request.version == 3


@pytest.mark.rule("PO-01")
async def test_an_edit_that_does_not_say_what_it_edits_changes_nothing(
    house: House, session: str, neighbours: Neighbours
) -> None:
    answer = await house.post("/api/v1/profile", session, verb="PATCH", json={"name": "見本 花子"})

    assert (answer.status_code, answer.json()["code"]) == (428, "version-missing")
    assert [method for method, _, _ in neighbours["identity"].asked] == ["IssueToken"]


@pytest.mark.parametrize("match", ["*", '"x"', "41", ""])
async def test_an_if_match_that_is_no_tag_of_ours_matches_nothing(house: House, session: str, match: str) -> None:
    answer = await house.post("/api/v1/profile", session, verb="PATCH", json={}, headers={"If-Match": match})

    assert (answer.status_code, answer.json()["code"]) == (412, "changed-meanwhile")


@pytest.mark.parametrize("version", [40, "41", [41], None])
async def test_an_edit_that_says_two_versions_edits_neither(house: House, session: str, version: Any) -> None:
    match = {"If-Match": '"41"'}

    answer = await house.post("/api/v1/profile", session, verb="PATCH", json={"version": version}, headers=match)

    assert answer.status_code == 412


async def test_an_edit_of_what_changed_meanwhile_fails(house: House, session: str, neighbours: Neighbours) -> None:
    neighbours["identity"].answers["UpdateProfile"] = Changed()

    answer = await house.post("/api/v1/profile", session, verb="PATCH", json={"version": 3})

    assert (answer.status_code, answer.json()["code"]) == (412, "changed-meanwhile")
