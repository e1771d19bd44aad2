"""From a visitor to a member with points: identity and points for real, on PostgreSQL, through the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from ruum.identity.v1.identity_pb2_grpc import add_IdentityServiceServicer_to_server
from ruum.points.v1 import events_pb2
from ruum.points.v1.points_pb2_grpc import add_PointsServiceServicer_to_server
from services.chassis.clock import MovableClock
from services.chassis.db import Database
from services.chassis.events import Outbox
from services.chassis.idempotency import Commands
from services.chassis.jst import jst_date
from services.identity.servicer import IdentityServicer
from services.identity.sessions.domain import EndSession
from services.points.ledger.domain import GrantLimited, Ledger
from services.points.main import wired
from services.points.models import outbox, requests
from services.points.servicer import PointsServicer
from services.points.settings import Rules
from tests.gateway.fakes import CONTRACTS, Fake
from tests.gateway.house import House, open_house
from tests.identity.world import PASSWORD, World
from tests.support.callers import Keys, member, service
from tests.support.contexts import empty, migrated, served

DOCUMENTS = ("terms", "points-terms", "privacy")
CONSENTS = [{"document": document, "version": "2026-04"} for document in DOCUMENTS]


class Town:
    """The gateway with identity and points behind it.

    Attributes:
        identity: what the notifier would read there.
        ledger: the books of points.
    """

    def __init__(self, house: House, identity: World, ledger: Ledger, clock: MovableClock) -> None:
        self.house = house
        self.identity = identity
        self.ledger = ledger
        self.clock = clock

    async def ask_for_code(self, address: str, key: str = "", language: str = "ja") -> Any:
        body = {"address": address, "language": language}
        return await self.house.post("/api/v1/sign-up/codes", key=key, json=body)

    async def sign_up(self, address: str, how: str = "") -> Any:
        flow_id = (await self.ask_for_code(address)).json()["flow_id"]
        code = (await self.identity.letter()).code
        body = {"flow_id": flow_id, "code": code, "password": PASSWORD, "language": "ja", "consents": CONSENTS}
        return await self.house.post(f"/api/v1/sign-up{how}", json=body)

    async def give_points(self, member_id: str, points: int) -> None:
        asked = GrantLimited(
            request_id=f"give/{member_id}",
            member_id=member_id,
            campaign_id="opening",
            points=points,
            last_day=jst_date(self.clock.now()) + timedelta(days=10),
        )
        await self.ledger.grant_limited(service("campaign-desk"), asked)


@pytest.fixture(scope="module")
async def databases(postgres: Postgres) -> AsyncIterator[dict[str, Database]]:
    async with AsyncExitStack() as open_:
        yield {name: await open_.enter_async_context(migrated(postgres, name)) for name in ("identity", "points")}


@pytest.fixture
async def town(
    databases: dict[str, Database],
    postgres: Postgres,
    neighbours: Mapping[str, Fake],
    keys: Keys,
    clock: MovableClock,
    clock_file: Path,
    stream_url: str,
    tmp_path: Path,
) -> AsyncIterator[Town]:
    await empty(postgres, "identity")
    identity = World(databases["identity"], clock, keys, tmp_path)  # type: ignore[arg-type]  # only `now` is asked
    commands = Commands(databases["points"], Outbox("points", events_pb2, outbox), requests, b"k" * 32, clock)
    points = wired(commands, Rules())
    as_identity = partial(add_IdentityServiceServicer_to_server, IdentityServicer(identity.domain))
    as_points = partial(add_PointsServiceServicer_to_server, PointsServicer(points))
    ring = keys.ring(clock)
    async with (
        served("identity", ring, [CONTRACTS["identity"]], as_identity) as one,
        served("points", ring, [CONTRACTS["points"]], as_points) as other,
    ):
        addresses = {name: fake.address for name, fake in neighbours.items()}
        addresses |= {"identity": one.address, "points": other.address}
        async with open_house(addresses, keys, stream_url, clock_file) as house:
            yield Town(house, identity, points.ledger, clock)
    identity.passwords.close()


@pytest.mark.rule("PO-01")
async def test_a_visitor_becomes_a_member_and_sees_their_points(town: Town) -> None:
    signed_up = (await town.sign_up("hana@example.jp")).json()
    session, member_id = signed_up["session_token"], signed_up["member_id"]
    await town.give_points(member_id, 500)

    balance = (await town.house.get("/api/v1/points", session)).json()
    entries = (await town.house.get("/api/v1/points/entries?size=1", session)).json()
    devices = (await town.house.get("/api/v1/sessions", session)).json()

    assert (balance["available"], balance["limited"], balance["lapses"][0]["points"]) == (500, 500, 500)
    assert [entry["kind"] for entry in entries["entries"]] == ["granted"]
    assert [device["current"] for device in devices["sessions"]] == [True]


async def test_a_browser_signs_up_edits_and_signs_out(town: Town) -> None:
    house = town.house
    answer = await town.sign_up("hana@example.jp", "?session=cookie")
    assert answer.json()["session_token"] == ""
    session = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    browser = {"Cookie": f"__Host-ruum={session}", "X-CSRF-Token": house.csrf_token(session)}

    read = await house.get("/api/v1/profile", headers=browser)
    edit: dict[str, Any] = {
        "headers": browser | {"If-Match": read.headers["etag"]},
        "json": {"name": "見本 花子"},
        "verb": "PATCH",
    }
    edited = await house.post("/api/v1/profile", **edit)
    stale = await house.post("/api/v1/profile", **edit)
    out = await house.post("/api/v1/sessions/current", verb="DELETE", headers=browser)
    after = await house.get("/api/v1/profile", headers=browser)

    assert (edited.status_code, edited.json()["name"]) == (200, "見本 花子")
    assert edited.headers["etag"] != read.headers["etag"]
    assert (stale.status_code, stale.json()["code"]) == (412, "changed-meanwhile")
    assert out.status_code == 200
    assert (after.status_code, after.json()["code"]) == (401, "session-over")


async def test_a_new_device_needs_a_code(town: Town) -> None:
    await town.sign_up("hana@example.jp")
    town.clock.move(timedelta(minutes=1))

    asked = {"address": "HANA@example.jp", "password": PASSWORD, "language": "ja"}
    first = (await town.house.post("/api/v1/sessions", json=asked)).json()
    code = (await town.identity.letter()).code
    confirm = {"flow_id": first["code_required"]["flow_id"], "code": code}
    confirmed = (await town.house.post("/api/v1/sessions/confirm", json=confirm)).json()
    again = (await town.house.post("/api/v1/sessions", json=asked | {"device_token": confirmed["device_token"]})).json()

    assert first["signed_in"] is None
    assert (await town.house.get("/api/v1/profile", confirmed["session_token"])).status_code == 200
    assert again["signed_in"]["member_id"] == confirmed["member_id"]


@pytest.mark.rule("PR-10")
async def test_the_same_key_with_the_same_content_gives_the_same_answer_and_acts_once(town: Town) -> None:
    first = await town.ask_for_code("hana@example.jp", key="one-and-the-same")
    town.clock.move(timedelta(hours=25))

    again = await town.ask_for_code("hana@example.jp", key="one-and-the-same")
    other = await town.ask_for_code("hana@example.jp", key="one-and-the-same", language="en")

    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["code"]) == (422, "request-id-reused")
    assert len(await town.identity.envelopes()) == 1


@pytest.mark.rule("PR-10")
async def test_two_visitors_with_one_key_each_get_their_own_answer(town: Town) -> None:
    hers = await town.ask_for_code("hana@example.jp", key="one-and-the-same")
    his = await town.ask_for_code("taro@example.jp", key="one-and-the-same")

    assert (hers.status_code, his.status_code) == (200, 200)
    assert hers.json()["flow_id"] != his.json()["flow_id"]
    assert len(await town.identity.envelopes()) == 2


async def test_a_session_that_was_ended_elsewhere_signs_out_as_one_that_is_over(town: Town) -> None:
    hers = (await town.sign_up("hana@example.jp")).json()
    session = hers["session_token"]
    [device] = (await town.house.get("/api/v1/sessions", session)).json()["sessions"]
    elsewhere = member(hers["member_id"])
    await town.identity.domain.sessions.end(elsewhere, EndSession(request_id="ends", session_id=device["session_id"]))

    answer = await town.house.post("/api/v1/sessions/current", session, verb="DELETE")

    assert (answer.status_code, answer.json()["code"]) == (401, "session-over")


@pytest.mark.rule("PR-10")
async def test_of_one_edit_sent_twenty_times_at_once_one_acts_and_all_hear_of_it(town: Town) -> None:
    session = (await town.sign_up("hana@example.jp")).json()["session_token"]
    edit: dict[str, Any] = {"verb": "PATCH", "key": "one-and-the-same", "json": {"version": 1, "name": "見本 花子"}}

    answers = await asyncio.gather(*(town.house.post("/api/v1/profile", session, **edit) for _ in range(20)))

    assert {(answer.status_code, answer.json()["version"]) for answer in answers} == {(200, 2)}


async def test_a_code_that_is_wrong_says_so_in_three_languages(town: Town) -> None:
    flow_id = (await town.ask_for_code("hana@example.jp")).json()["flow_id"]
    body = {"flow_id": flow_id, "code": "000000", "password": PASSWORD, "language": "ja", "consents": CONSENTS}

    answers = [
        await town.house.post("/api/v1/sign-up", json=body, headers={"Accept-Language": language})
        for language in ("ja", "en", "zh-CN")
    ]

    assert len({answer.json()["title"] for answer in answers}) == 3
    assert len({(answer.status_code, answer.json()["type"]) for answer in answers}) == 1
