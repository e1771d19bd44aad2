"""Who asks: bearer and cookie sessions, forgery across sites, and tokens in their place (PO-02, ID-14, ID-15)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from ruum.identity.v1 import identity_pb2
from ruum.points.v1 import points_pb2
from services.chassis.clock import MovableClock
from services.chassis.errors import CallerUnknown, Kind, RemoteError
from services.chassis.ids import new_id
from tests.gateway.fakes import Fake, Members, filled
from tests.gateway.house import House

Neighbours = Mapping[str, Fake]
SIGN_IN = {"address": "hana@example.jp", "password": "pw", "language": "ja"}
OPENED = "a-session-that-was-just-opened"


@pytest.fixture
def opened(neighbours: Neighbours, clock: MovableClock, house: House) -> datetime:
    """Identity opens sessions that last 90 days."""
    until = (clock.now() + timedelta(days=90)).replace(microsecond=0)
    signed_in = identity_pb2.SignedIn(member_id=new_id("mem"), session_token=OPENED, device_token="device")
    signed_in.absolute_until.FromDatetime(until)
    neighbours["identity"].answers["SignIn"] = identity_pb2.SignInResponse(signed_in=signed_in)
    neighbours["identity"].answers["ConfirmSignIn"] = signed_in
    return until


def cookies(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in answer.headers.get_list("set-cookie"):
        found |= SimpleCookie(line)
    return found


def as_browser(house: House, session: str) -> dict[str, str]:
    """The cookie of a session that is signed in, and the token that pages send."""
    csrf = house.csrf_token(session)
    return {"Cookie": f"__Host-ruum={session}; __Host-ruum-csrf={csrf}", "X-CSRF-Token": csrf}


@pytest.mark.rule("ID-14")
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/sessions/confirm"])
async def test_a_browser_gets_its_session_in_a_cookie_that_scripts_cannot_read(
    house: House, opened: datetime, path: str
) -> None:
    body = SIGN_IN if path.endswith("sessions") else {"flow_id": new_id("flow"), "code": "123456"}

    answer = await house.post(f"{path}?session=cookie", json=body)

    [line] = [line for line in answer.headers.get_list("set-cookie") if line.startswith("__Host-ruum=")]
    age = re.search(r"Max-Age=(\d+)", line)
    assert age
    assert abs(int(age[1]) - timedelta(days=90).total_seconds()) < 60
    assert {part.strip() for part in line.replace(age[0], "Max-Age").split(";")} == {
        f"__Host-ruum={OPENED}",
        "HttpOnly",
        "Max-Age",
        "Path=/",
        "SameSite=lax",
        "Secure",
    }
    assert OPENED not in answer.text


async def test_beside_it_stands_the_token_that_proves_a_page_of_ours(house: House, opened: datetime) -> None:
    answer = await house.post("/api/v1/sessions?session=cookie", json=SIGN_IN)

    csrf = cookies(answer)["__Host-ruum-csrf"]
    assert csrf.value == house.csrf_token(OPENED)
    attributes = [csrf[name] for name in ("secure", "httponly", "path", "domain", "samesite")]
    assert attributes == [True, "", "/", "", "lax"]


async def test_an_app_gets_its_session_in_the_body_and_no_cookie(house: House, opened: datetime) -> None:
    answer = await house.post("/api/v1/sessions", json=SIGN_IN)

    assert answer.json()["signed_in"]["session_token"] == OPENED
    assert "set-cookie" not in answer.headers


async def test_where_a_code_is_asked_for_there_is_no_session_yet(house: House, neighbours: Neighbours) -> None:
    code = filled(identity_pb2.CodeSent.DESCRIPTOR)
    neighbours["identity"].answers["SignIn"] = identity_pb2.SignInResponse(code_required=code)  # type: ignore[arg-type]

    answer = await house.post("/api/v1/sessions?session=cookie", json=SIGN_IN)

    assert answer.json()["signed_in"] is None
    assert "set-cookie" not in answer.headers


@pytest.mark.rule("PO-02")
@pytest.mark.parametrize("proof", ["", "0" * 64, "of another session", "é"])
async def test_a_cookie_alone_changes_nothing(
    house: House, session: str, members: Members, neighbours: Neighbours, proof: str
) -> None:
    headers: Any = as_browser(house, session)
    headers["X-CSRF-Token"] = house.csrf_token(members.sign_in()) if "another" in proof else proof.encode("latin-1")

    for verb, path in (("POST", "/api/v1/rooms/preview"), ("DELETE", "/api/v1/sessions/current")):
        answer = await house.post(path, verb=verb, json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf-token-missing")
    assert not neighbours["rooms"].asked


async def test_a_cookie_with_its_proof_changes_as_a_bearer_token_does(
    house: House, session: str, neighbours: Neighbours, members: Members
) -> None:
    answer = await house.post("/api/v1/rooms/preview", json={}, headers=as_browser(house, session))

    assert answer.status_code == 200
    assert neighbours["rooms"].asked[0][2] == members.who(session)


async def test_a_cookie_reads_without_proof(house: House, session: str) -> None:
    cookie = {"Cookie": f"__Host-ruum={session}"}

    for verb in ("GET", "HEAD"):
        assert (await house.ask(verb, "/api/v1/points", headers=cookie)).status_code == 200


async def test_a_stale_cookie_does_not_stand_in_the_way_of_signing_in(house: House, opened: datetime) -> None:
    answer = await house.post("/api/v1/sessions", json=SIGN_IN, headers={"Cookie": "__Host-ruum=long-ended-session"})

    assert answer.status_code == 200


@pytest.mark.parametrize("session", ["no-such-session-at-all", "short", "x" * 5000, "\xe9" * 20])
async def test_a_session_that_there_is_not_is_over(house: House, session: str) -> None:
    answer = await house.get("/api/v1/points", headers={"Authorization": f"Bearer {session}".encode("latin-1")})

    assert (answer.status_code, answer.json()["code"]) == (401, "session-over")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Basic aGFuYQ==", "Bearer", ""])
async def test_another_scheme_is_no_session(house: House, scheme: str) -> None:
    answer = await house.get("/api/v1/points", headers={"Authorization": scheme})

    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")


@pytest.mark.rule("ID-15")
async def test_a_session_is_changed_once_for_a_token_of_each_service(
    house: House, session: str, neighbours: Neighbours
) -> None:
    for path in ("/api/v1/points", "/api/v1/points", "/api/v1/orders"):
        assert (await house.get(path, session)).status_code == 200

    assert [request.audience for _, request, _ in neighbours["identity"].asked] == ["points", "store"]


async def test_a_token_is_renewed_before_it_ends(
    house: House, session: str, neighbours: Neighbours, clock: MovableClock
) -> None:
    await house.get("/api/v1/points", session)
    clock.move(timedelta(seconds=100))
    await house.get("/api/v1/points", session)
    clock.move(timedelta(seconds=6))

    answer = await house.get("/api/v1/points", session)

    assert answer.status_code == 200
    assert len(neighbours["identity"].asked) == 2


async def test_a_token_that_a_service_refuses_is_changed_for_a_fresh_one(
    house: House, session: str, neighbours: Neighbours
) -> None:
    refusals = [CallerUnknown()]

    async def once(_: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return points_pb2.Balance()

    neighbours["points"].answers["GetBalance"] = once

    answer = await house.get("/api/v1/points", session)

    assert answer.status_code == 200
    assert len(neighbours["identity"].asked) == 2


async def test_a_gateway_that_no_service_believes_has_a_defect_and_not_the_member(
    house: House, session: str, neighbours: Neighbours
) -> None:
    neighbours["points"].answers["GetBalance"] = CallerUnknown()

    answer = await house.get("/api/v1/points", session)

    assert (answer.status_code, answer.json()["code"]) == (500, "defect")


@pytest.mark.parametrize("how", ["current", "other"])
async def test_a_session_that_was_ended_here_is_ended_at_once(
    house: House, session: str, members: Members, how: str
) -> None:
    ended = session if how == "current" else members.sign_in(members.who(session).name)
    assert (await house.get("/api/v1/points", ended)).status_code == 200
    path = "current" if how == "current" else members.who(ended).session

    answer = await house.post(f"/api/v1/sessions/{path}", session, verb="DELETE")

    members.end(ended)
    assert answer.status_code == 200
    assert (await house.get("/api/v1/points", ended)).status_code == 401
    if how == "other":
        assert (await house.get("/api/v1/points", session)).status_code == 200


async def test_signing_out_takes_the_cookies_back(house: House, session: str) -> None:
    headers = as_browser(house, session)

    answer = await house.post("/api/v1/sessions/current", verb="DELETE", headers=headers)

    taken = cookies(answer)
    assert {name: (it.value, it["max-age"], it["path"], it["secure"]) for name, it in taken.items()} == {
        "__Host-ruum": ("", "0", "/", True),
        "__Host-ruum-csrf": ("", "0", "/", True),
    }


async def test_ending_another_device_leaves_the_cookies(house: House, session: str) -> None:
    path = f"/api/v1/sessions/{new_id('ses')}"

    answer = await house.post(path, verb="DELETE", headers=as_browser(house, session))

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


async def test_a_sign_out_that_failed_ends_nothing(house: House, session: str, neighbours: Neighbours) -> None:
    neighbours["identity"].answers["SignOut"] = RemoteError(Kind.UNAVAILABLE, "service-unavailable")

    answer = await house.post("/api/v1/sessions/current", verb="DELETE", headers=as_browser(house, session))

    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers
