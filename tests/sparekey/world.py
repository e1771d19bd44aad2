"""The domain of spare keys on a real database, a clock that stands still, and neighbours that do as told."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ruum.sparekey.v1 import events_pb2
from services.chassis.caller import Caller
from services.chassis.clock import FixedClock
from services.chassis.db import Database
from services.chassis.events import Outbox
from services.chassis.idempotency import Commands
from services.chassis.ids import new_id
from services.chassis.jst import JST, BusinessCalendar
from services.chassis.pages import Page
from services.chassis.sealing import MasterKeys
from services.chassis.webhooks import StandardWebhooks
from services.sparekey.cases.models import CARRIER, POST, Case, Kind
from services.sparekey.cases.transitions import State
from services.sparekey.cases.waiting import Waiting
from services.sparekey.desk.actions import ActAsOperator
from services.sparekey.desk.domain import DeskEnterKeyNumber
from services.sparekey.dispatch.domain import CheckDispatch
from services.sparekey.drafts.domain import Draft, EnterKeyNumber, StartOrder
from services.sparekey.main import wired
from services.sparekey.members import domain as members
from services.sparekey.models import outbox, requests
from services.sparekey.numbers.domain import EraseKeyNumbers
from services.sparekey.orders.domain import KeyOrder
from services.sparekey.partners.webhooks import SignedWebhooks
from services.sparekey.placing.domain import PlaceOrder, ReviewOrder
from services.sparekey.placing.steps import AbandonPlaced, ConfirmPlaced
from services.sparekey.ports import Answer, Processes
from services.sparekey.settings import Rules
from services.sparekey.steps import domain as steps
from tests.sparekey.neighbours import FakeMaker, FakeProcesses, FakeRooms, FakeStore, lease
from tests.sparekey.written import Written

WORKER = Caller("service", "worker")
GATEWAY = Caller("service", "gateway")
BEGINNING = datetime(2026, 4, 1, 12, 0, tzinfo=JST)
NUMBER = "AB12CD34"
SECRETS = {"maker": "maker-signs", "post": "post-signs", "carrier": "carrier-signs"}
SCANS = {POST: "post", CARRIER: "carrier"}

_serial = itertools.count()


def request() -> str:
    return f"test/{next(_serial)}/{secrets.token_hex(4)}"


def jst(*when: int) -> datetime:
    return datetime(*when, tzinfo=JST)  # type: ignore[arg-type,misc]  # year, month, day and what more is given


def member(member_id: str) -> Caller:
    return Caller("member", member_id)


def master_keys(folder: Path, name: str = "first") -> Path:
    """A file of master keys; another name rotates it and keeps the old ones."""
    path = folder / "master-keys.json"
    known = json.loads(path.read_text())["keys"] if path.exists() else {}
    fresh = base64.b64encode(secrets.token_bytes(32)).decode()
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps({"current": name, "keys": {**known, name: known.get(name, fresh)}}))
    return unfinished.replace(path)


class World(Written):
    """A member with a room, and everybody who deals with the keys of it.

    `processes` of None places at once, as the process would.
    """

    def __init__(
        self,
        database: Database,
        keys_file: Path,
        at: datetime = BEGINNING,
        processes: Processes | None = None,
        maker: FakeMaker | None = None,
        **rules: Any,
    ) -> None:
        self.database = database
        self.keys_file = keys_file
        self.clock = FixedClock(at)
        self.rules = Rules(**rules)
        calendar = BusinessCalendar()
        self.waiting = Waiting(self.rules, calendar)
        self.rooms, self.store, self.maker = FakeRooms(), FakeStore(), maker or FakeMaker()
        self.processes = FakeProcesses(confirm=self.confirm, abandon=self.abandon)
        self.told = Outbox("sparekey", events_pb2, outbox)
        self.commands = Commands(database, self.told, requests, b"k" * 32, self.clock)
        self.domain = wired(
            self.commands,
            self.rules,
            calendar,
            MasterKeys(keys_file),
            self.rooms,
            self.store,
            self.maker,
            processes or self.processes,
            SignedWebhooks(SECRETS, self.clock),
        )
        self._move_in()

    def _move_in(self) -> None:
        self.member_id, self.room_id = new_id("mem"), new_id("room")
        self.member = member(self.member_id)
        self.rooms.leases[self.member_id, self.room_id] = lease()
        self.rooms.contractors[self.room_id] = self.member_id

    def next_door(self) -> World:
        """Another member with a room, served by the same people at the same time."""
        neighbour = copy.copy(self)
        neighbour._move_in()
        return neighbour

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def pass_time(self, **period: float) -> None:
        self.clock.advance(timedelta(**period))

    def go_to(self, instant: datetime) -> None:
        self.clock.advance(instant.astimezone(UTC) - self.now)

    def leaves(self, refusal: str = "lease-ended") -> None:
        """The lease ends, or the member is removed from the room."""
        self.rooms.leases[self.member_id, self.room_id] = lease(allowed=False, refusal=refusal, address={})

    def returns(self) -> None:
        """The lease goes on after all, or the member is registered again."""
        self.rooms.leases[self.member_id, self.room_id] = lease()

    # The member.

    async def draft(self, kind: Kind = Kind.NORMAL, quantity: int = 1, **more: Any) -> Draft:
        asked = {
            "request_id": request(),
            "room_id": self.room_id,
            "kind": kind,
            "quantity": quantity,
            "notices_version": self.rules.notices_version,
            "notices_language": "ja",
            "notices_agreed": True,
            "no_e_touch_acknowledged": False,
        }
        return await self.domain.drafts.start(self.member, StartOrder.model_validate(asked | more))

    async def enter(self, order_id: str, number: str = NUMBER, request_id: str = "") -> Draft:
        asked = EnterKeyNumber(request_id=request_id or request(), order_id=order_id, key_number=number)
        return await self.domain.drafts.enter_number(self.member, asked)

    async def review(self, order_id: str, language: str = "ja") -> str:
        asked = ReviewOrder(request_id=request(), order_id=order_id, language=language)
        return (await self.domain.placings.review(self.member, asked)).snapshot_hash

    def confirmed(self, order_id: str, snapshot_hash: str, request_id: str = "", **other: Any) -> PlaceOrder:
        asked = {
            "request_id": request_id or request(),
            "order_id": order_id,
            "snapshot_hash": snapshot_hash,
            "terms_version": self.rules.terms_version,
            "cancellation_version": self.rules.cancellation_version,
            "agreed": True,
        }
        return PlaceOrder.model_validate(asked | other)

    async def place(self, order_id: str, snapshot_hash: str, request_id: str = "", **other: Any) -> Answer:
        return await self.domain.placings.place(
            self.member, self.confirmed(order_id, snapshot_hash, request_id, **other)
        )

    async def ready_to_place(self, **more: Any) -> tuple[str, str]:
        """A draft with its number, reviewed: its id and snapshot."""
        order_id = (await self.draft(**more)).case.order_id
        await self.enter(order_id)
        return order_id, await self.review(order_id)

    async def seen(self, order_id: str) -> KeyOrder:
        return await self.domain.orders.get(self.member, order_id)

    async def reply(self, order_id: str, number: str = "ZZ99YY88", request_id: str = "") -> None:
        asked = members.ReplyKeyNumber(request_id=request_id or request(), order_id=order_id, key_number=number)
        await self.domain.member_actions.reply(self.member, asked)

    async def ask_redelivery(self, order_id: str, *, accepted: bool = True) -> None:
        asked = members.RequestRedelivery(request_id=request(), order_id=order_id, charge_accepted=accepted)
        await self.domain.member_actions.redeliver(self.member, asked)

    async def not_mine(self, order_id: str, *, household_asked: bool = True) -> None:
        asked = members.ReportNotMine(request_id=request(), order_id=order_id, household_asked=household_asked)
        await self.domain.member_actions.not_mine(self.member, asked)

    async def mail_redirect(self, order_id: str) -> None:
        asked = members.ReportMailRedirect(request_id=request(), order_id=order_id)
        await self.domain.member_actions.mail_redirect(self.member, asked)

    async def choose_wish(self, order_id: str, wish: date | None) -> None:
        written = wish.isoformat() if wish else ""
        asked = members.ChooseWishDate(request_id=request(), order_id=order_id, wish_date=written)
        await self.domain.member_actions.choose_wish(self.member, asked)

    # The process.

    async def case(self, order_id: str) -> Case:
        return await self.domain.steps.case(order_id)

    def step(self, order_id: str, **more: Any) -> dict[str, Any]:
        return {"request_id": request(), "as_of": self.now, "order_id": order_id, **more}

    async def confirm(self, order_id: str) -> Case:
        return await self.domain.placed.confirm(WORKER, ConfirmPlaced(**self.step(order_id)))

    async def abandon(self, order_id: str, reason: str, request_id: str = "") -> Case:
        step = AbandonPlaced(**self.step(order_id, reason=reason) | ({"request_id": request_id} if request_id else {}))
        return await self.domain.placed.abandon(WORKER, step)

    async def check(self, order_id: str) -> Case:
        check_round = (await self.case(order_id)).check_round
        step = steps.RequestCheck(**self.step(order_id, check_round=check_round))
        return await self.domain.steps.request_check(WORKER, step)

    async def expire(self, order_id: str, as_of: datetime | None = None) -> Case:
        step = steps.ExpireIfWaiting(**self.step(order_id) | ({"as_of": as_of} if as_of else {}))
        return await self.domain.steps.expire(WORKER, step)

    async def order_keys(self, order_id: str) -> Case:
        return await self.domain.steps.order_keys(WORKER, steps.OrderKeys(**self.step(order_id)))

    async def look(self, order_id: str) -> Case:
        return await self.domain.dispatch.check_dispatch(WORKER, CheckDispatch(**self.step(order_id)))

    async def release(self, order_id: str) -> Case:
        return await self.domain.steps.release(WORKER, steps.ReleaseDispatch(**self.step(order_id)))

    async def redeliver(self, order_id: str) -> Case:
        redelivery = (await self.case(order_id)).redelivery
        step = steps.DispatchRedelivery(**self.step(order_id, redelivery=redelivery))
        return await self.domain.steps.redeliver(WORKER, step)

    async def stop(self, order_id: str) -> Case:
        return await self.domain.steps.stop(WORKER, steps.StopAtMaker(**self.step(order_id)))

    async def remind(self, order_id: str) -> Case:
        case = await self.case(order_id)
        due = {"reminder": case.reminder, "days": case.reminder_days, "redelivery": case.redelivery}
        return await self.domain.steps.remind(WORKER, steps.RemindMember(**self.step(order_id, **due)))

    async def close(self, order_id: str, state: State, reason: str = "") -> Case:
        step = steps.CloseCase(**self.step(order_id, state=state, reason=reason))
        return await self.domain.steps.close(WORKER, step)

    async def call_operator(self, order_id: str, problem: str = "no-word") -> Case:
        return await self.domain.steps.call_operator(WORKER, steps.CallOperator(**self.step(order_id, problem=problem)))

    async def act(self, order_id: str, action: str, operator: str = "op_sato", **arguments: str) -> Case:
        step = self.step(order_id, operator=operator, reason="checked", action=action, arguments=arguments)
        return await self.domain.desk.act(WORKER, ActAsOperator(**step))

    async def desk_number(self, order_id: str, number: str = "ZZ99YY88") -> str:
        asked = DeskEnterKeyNumber(request_id=request(), order_id=order_id, key_number=number)
        return (await self.domain.desk.enter_number(Caller("operator", "op_sato"), asked)).reference

    async def erase(self) -> int:
        asked = EraseKeyNumbers(request_id=request(), as_of=self.now)
        return (await self.domain.vault.erase(WORKER, asked)).erased

    # Partners.

    def signed(self, partner: str, kind: str, /, **data: Any) -> tuple[str, Mapping[str, str], bytes]:
        """A message of a partner as it reaches us."""
        message_id = f"evt_{secrets.token_hex(8)}"
        envelope = {"id": message_id, "type": kind, "occurred_at": self.now.isoformat(), "data": data}
        body = json.dumps(envelope).encode()
        return partner, StandardWebhooks([SECRETS[partner]], self.clock).sign(message_id, body), body

    async def receive(self, message: tuple[str, Mapping[str, str], bytes]) -> bool:
        return await self.domain.webhooks.receive(GATEWAY, *message)

    async def maker_says(self, kind: str, order_id: str, **data: Any) -> bool:
        return await self.receive(self.signed("maker", kind, order_ref=order_id, **data))

    def check_id(self, order_id: str, check_round: int) -> str:
        return f"chk_{order_id}_check_{check_round}"

    async def checked(self, order_id: str, result: str) -> bool:
        check_round = (await self.case(order_id)).check_round
        return await self.maker_says("checked", order_id, check_id=self.check_id(order_id, check_round), result=result)

    async def asked(self, order_id: str, mailed_at: datetime | None = None, check_round: int = 0) -> bool:
        check_round = check_round or (await self.case(order_id)).check_round
        mailed = (mailed_at or self.now).isoformat()
        return await self.maker_says(
            "number_asked", order_id, check_id=self.check_id(order_id, check_round), mailed_at=mailed
        )

    async def dispatched(self, order_id: str, tracking_number: str = "", carrier: str = "post") -> str:
        number = tracking_number or f"{next(_serial):011d}"
        making = (await self.case(order_id)).making
        await self.maker_says("dispatched", order_id, tracking_number=number, carrier=carrier, making=making)
        return number

    async def scan(self, tracking_number: str, kind: str, at: datetime | None = None, partner: str = "post") -> bool:
        scanned = {
            "tracking_number": tracking_number,
            "event_id": f"scan_{secrets.token_hex(8)}",
            "kind": kind,
            "occurred_at": (at or self.now).isoformat(),
        }
        return await self.receive(self.signed(partner, "tracking", **scanned))

    async def returned(self, order_id: str, on: date) -> bool:
        number = (await self.case(order_id)).tracking_number
        return await self.maker_says("returned", order_id, tracking_number=number, returned_on=on.isoformat())

    # Straight ways to a state.

    async def ordered(self, **more: Any) -> str:
        """A placed order, in `checking`."""
        order_id, snapshot_hash = await self.ready_to_place(**more)
        await self.place(order_id, snapshot_hash)
        return order_id

    async def asked_for_number(self, **more: Any) -> str:
        order_id = await self.ordered(**more)
        await self.check(order_id)
        await self.asked(order_id)
        return order_id

    async def accepted(self, **more: Any) -> str:
        order_id = await self.ordered(**more)
        await self.check(order_id)
        await self.checked(order_id, "exists")
        return order_id

    async def made(self, **more: Any) -> str:
        """In `making`."""
        order_id = await self.accepted(**more)
        await self.order_keys(order_id)
        return order_id

    async def cut(self, **more: Any) -> str:
        """In `ready`."""
        order_id = await self.made(**more)
        await self.maker_says("ready", order_id, making=1)
        return order_id

    async def cleared(self, **more: Any) -> str:
        order_id = await self.cut(**more)
        await self.look(order_id)
        return order_id

    async def released(self, **more: Any) -> str:
        order_id = await self.cleared(**more)
        await self.release(order_id)
        return order_id

    async def stopped(self, way: str = "cut") -> str:
        """In `stopped`, for a lease that has ended."""
        order_id: str = await getattr(self, way)()
        self.leaves()
        await (self.look if way == "cut" else self.redeliver)(order_id)
        return order_id

    async def sent(self, **more: Any) -> str:
        """In `dispatched`."""
        order_id = await self.released(**more)
        await self.dispatched(order_id)
        return order_id

    async def missed(self, **more: Any) -> str:
        """In `absent`."""
        order_id = await self.sent(**more)
        await self.scan((await self.case(order_id)).tracking_number, "absent")
        return order_id

    async def back(self, on: date | None = None, **more: Any) -> str:
        """In `returned`."""
        order_id = await self.sent(**more)
        await self.returned(order_id, on or self.now.astimezone(JST).date())
        return order_id

    async def asked_again(self, **more: Any) -> str:
        """In `redelivery-requested`."""
        order_id = await self.back(**more)
        await self.ask_redelivery(order_id)
        return order_id

    async def on_its_way_again(self, **more: Any) -> str:
        """In `redelivering`, with the parcel carrier."""
        order_id = await self.asked_again(**more)
        await self.redeliver(order_id)
        await self.dispatched(order_id, f"{next(_serial):012d}", "parcel")
        return order_id

    # What is shown.

    async def needing_a_person(self) -> list[str]:
        listed = await self.domain.desk.cases(Page(size=100), needing=True)
        return [case.order_id for case in listed.items]

    async def story(self, order_id: str) -> list[str]:
        return [entry.code for entry in (await self.seen(order_id)).timeline]
