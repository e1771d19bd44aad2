from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.sandbox.harness import YAMADA, Sandbox

MOVED = {"recipient": {"name": "山田 太郎"}, "address": {"city": "小樽市"}}


async def checked(sandbox: Sandbox, number: str) -> Any:
    new = {"order_ref": "ord_1", "key_number": number, "kind": "normal"}
    return await sandbox.done("POST", "/maker/checks", new)


async def ordered(sandbox: Sandbox, **more: Any) -> Any:
    new = {"order_ref": "ord_1", "key_number": "AB12CD34", "kind": "normal", "quantity": 2, **YAMADA, **more}
    return await sandbox.call("POST", "/maker/orders", new)


async def tell(sandbox: Sandbox, verb: str, content: dict[str, Any] | None = None) -> Any:
    return await sandbox.call("POST", f"/maker/orders/ord_1/{verb}", content or {})


async def state(sandbox: Sandbox) -> Any:
    return (await sandbox.done("GET", "/maker/orders/ord_1"))["state"]


@pytest.fixture
async def manual(sandbox: Sandbox) -> Sandbox:
    """The stand-ins with nothing happening by itself."""
    for name in ("maker.check", "maker.ready", "maker.dispatch"):
        await sandbox.automatic(name, on=False)
    return sandbox


@pytest.fixture
async def dispatched(manual: Sandbox) -> Sandbox:
    """A key on its way by registered mail."""
    await ordered(manual)
    await tell(manual, "release", YAMADA)
    await manual.press("orders/ord_1/ready")
    await manual.press("orders/ord_1/dispatch")
    return manual


@pytest.fixture
async def returned(dispatched: Sandbox) -> Sandbox:
    """A key that came back to the maker."""
    (parcel,) = await dispatched.seen("parcels")
    await dispatched.press(f"parcels/{parcel['tracking_number']}/events", kind="returned")
    return dispatched


@pytest.mark.parametrize(
    ("number", "result"), [("AB12CD34", "exists"), ("AB0000CD", "unknown"), ("QW56ER78", "unknown")]
)
async def test_the_maker_says_whether_a_number_exists(sandbox: Sandbox, number: str, result: str) -> None:
    await sandbox.press("unknown-numbers", "PUT", numbers=["QW56ER78"])

    check = await checked(sandbox, number)

    told = await sandbox.receiver.one("checked")
    answered = await sandbox.done("GET", f"/maker/checks/{check['check_id']}")
    assert (check["state"], check["result"]) == ("waiting", None)
    assert told.data == {"order_ref": "ord_1", "check_id": check["check_id"], "result": result}
    assert (answered["state"], answered["result"]) == ("answered", result)
    assert "key_number" not in answered


async def test_of_an_unknown_number_the_customer_is_asked_and_replies(sandbox: Sandbox) -> None:
    await checked(sandbox, "AB0000CD")
    await sandbox.receiver.one("number_asked", order_ref="ord_1")

    await sandbox.press("orders/ord_1/number-replied", key_number="AB12CD34")

    told = await sandbox.receiver.one("number_replied")
    assert told.data == {"order_ref": "ord_1", "key_number": "AB12CD34"}


async def test_a_check_waits_for_a_person_while_the_automation_is_off(manual: Sandbox) -> None:
    first, second = await checked(manual, "AB12CD34"), await checked(manual, "AB12CD34")

    await manual.press(f"checks/{first['check_id']}/answer", result="unknown")
    twice = await manual.http.post(f"/console/api/checks/{first['check_id']}/answer", json={"result": "exists"})
    await manual.automatic("maker.check", on=True)

    told = {it.data["check_id"]: it.data["result"] for it in await manual.receiver.all("checked", 2)}
    assert told == {first["check_id"]: "unknown", second["check_id"]: "exists"}
    assert twice.status_code == 409


@pytest.mark.parametrize("number", ["AB12CD3", "AB12CD345", "ab12cd34", "AB12CDÖ4"])
async def test_what_cannot_be_a_key_number_is_refused_without_repeating_it(sandbox: Sandbox, number: str) -> None:
    new = {"order_ref": "ord_1", "key_number": number, "kind": "normal"}

    answer = await sandbox.call("POST", "/maker/checks", new)

    assert answer.status_code == 422
    assert number not in answer.text


async def test_keys_are_cut_by_themselves_and_leave_only_on_release(sandbox: Sandbox) -> None:
    for name in ("maker.ready", "maker.dispatch"):
        await sandbox.automatic(name, on=True, delay_ms=50)
    await ordered(sandbox)
    await sandbox.receiver.one("ready", order_ref="ord_1")
    before = await state(sandbox)

    await tell(sandbox, "release", MOVED)

    told = await sandbox.receiver.one("dispatched")
    (parcel,) = await sandbox.seen("parcels")
    assert before == "ready"
    assert told.data == {
        "order_ref": "ord_1",
        "tracking_number": parcel["tracking_number"],
        "carrier": "post",
        "making": 1,
    }
    assert parcel["address"] == MOVED["address"]


async def test_an_order_that_was_not_released_is_not_dispatched_by_hand_either(manual: Sandbox) -> None:
    await ordered(manual)
    await manual.press("orders/ord_1/ready")

    answer = await manual.http.post("/console/api/orders/ord_1/dispatch")

    assert answer.status_code == 409
    assert await manual.seen("parcels") == []


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"kind": "ic"}, 422, "invalid"),
        ({"kind": "ic", "building_code": "B-1"}, 202, None),
        ({"key_number": "AB0000CD"}, 422, "unknown_key_number"),
        ({"recipient": {}}, 422, "invalid"),
    ],
)
async def test_an_order_says_all_that_the_maker_needs(
    sandbox: Sandbox, more: dict[str, Any], status: int, code: str | None
) -> None:
    answer = await ordered(sandbox, **more)

    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code


async def test_one_reference_is_one_order(sandbox: Sandbox) -> None:
    await ordered(sandbox)

    again = await ordered(sandbox, quantity=3)

    assert again.json()["error"]["code"] == "order_exists"


async def test_an_uncut_order_is_stopped_for_good(manual: Sandbox) -> None:
    await ordered(manual)
    await tell(manual, "release", YAMADA)

    stopped = await tell(manual, "stop")
    released = await tell(manual, "release", YAMADA)

    assert (stopped.json()["state"], stopped.json()["cut"]) == ("stopped", False)
    assert released.json()["error"]["code"] == "wrong_state"


async def test_a_stopped_cut_key_leaves_by_a_new_release(manual: Sandbox) -> None:
    await ordered(manual)
    await tell(manual, "release", YAMADA)
    await manual.press("orders/ord_1/ready")

    stopped = await tell(manual, "stop")
    waiting = await manual.http.post("/console/api/orders/ord_1/dispatch")
    await tell(manual, "release", YAMADA)
    left = await manual.press("orders/ord_1/dispatch")

    assert (stopped.json()["cut"], waiting.status_code, left["state"]) == (True, 409, "dispatched")


async def test_what_is_on_its_way_is_not_stopped(dispatched: Sandbox) -> None:
    answer = await tell(dispatched, "stop")

    assert answer.json()["error"]["code"] == "already_dispatched"


async def test_a_returned_key_is_kept_from_the_japanese_day_of_its_return(dispatched: Sandbox) -> None:
    (parcel,) = await dispatched.seen("parcels")
    at = "2026-04-09T15:30:00Z"

    await dispatched.press(f"parcels/{parcel['tracking_number']}/events", kind="returned", occurred_at=at)

    told = await dispatched.receiver.one("returned")
    assert told.data == {
        "order_ref": "ord_1",
        "tracking_number": parcel["tracking_number"],
        "returned_on": "2026-04-10",
    }
    assert datetime.fromisoformat(at).astimezone(ZoneInfo("Asia/Tokyo")).date().isoformat() == "2026-04-10"
    assert await state(dispatched) == "returned"


async def test_a_redelivery_goes_by_collect_and_collects_its_charge(returned: Sandbox) -> None:
    await tell(returned, "redelivery", {**MOVED, "charge_yen": 935})
    await returned.press("orders/ord_1/dispatch")

    told = await returned.receiver.one("dispatched", carrier="parcel")
    number = told.data["tracking_number"]
    await returned.press(f"parcels/{number}/events", kind="collected")
    collected = await returned.receiver.one("tracking", kind="collected")
    assert (collected.partner, collected.data["amount_yen"]) == ("carrier", 935)
    assert (await returned.http.get(f"/carrier/parcels/{number}")).json()["charge_yen"] == 935
    assert (await returned.http.get(f"/post/parcels/{number}")).status_code == 404


async def test_only_a_returned_key_is_redelivered(dispatched: Sandbox) -> None:
    answer = await tell(dispatched, "redelivery", {**MOVED, "charge_yen": 935})

    assert answer.json()["error"]["code"] == "wrong_state"


async def test_a_redelivery_that_has_not_left_can_be_stopped(returned: Sandbox) -> None:
    await tell(returned, "redelivery", {**MOVED, "charge_yen": 935})

    await tell(returned, "stop")

    assert await state(returned) == "returned"


async def test_a_key_is_destroyed_and_made_again(returned: Sandbox) -> None:
    destroyed = await returned.press("orders/ord_1/destroyed")
    await returned.receiver.one("destroyed", order_ref="ord_1")

    again = await tell(returned, "remake")
    await returned.press("orders/ord_1/ready")

    ready = await returned.receiver.all("ready", 2)
    assert destroyed["state"] == "destroyed"
    assert (again.json()["making"], again.json()["cut"], again.json()["released"]) == (2, False, False)
    assert sorted(it.data["making"] for it in ready) == [1, 2]


async def test_the_return_of_an_earlier_parcel_does_not_touch_the_remade_key(dispatched: Sandbox) -> None:
    (parcel,) = await dispatched.seen("parcels")
    await tell(dispatched, "remake")
    await tell(dispatched, "release", YAMADA)
    await dispatched.press("orders/ord_1/ready")
    await dispatched.press("orders/ord_1/dispatch")

    await dispatched.press(f"parcels/{parcel['tracking_number']}/events", kind="returned")

    told = await dispatched.receiver.one("returned")
    assert told.data["tracking_number"] == parcel["tracking_number"]
    assert await state(dispatched) == "dispatched"


async def test_what_happens_is_stamped_by_the_moved_clock(sandbox: Sandbox) -> None:
    await sandbox.pass_time(timedelta(days=40))

    await checked(sandbox, "AB0000CD")

    told = await sandbox.receiver.one("number_asked")
    mailed = datetime.fromisoformat(told.data["mailed_at"])
    assert abs(mailed - sandbox.clock.now()) < timedelta(minutes=1)
    assert abs(int(told.headers["webhook-timestamp"]) - sandbox.clock.now().timestamp()) < 60
