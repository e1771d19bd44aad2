"""The contract over gRPC: who may call what, and what goes over the wire (PR-11, PR-12, PR-16)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest

from ruum.common.v1.common_pb2 import Page, Webhook
from ruum.sparekey.v1 import sparekey_pb2 as pb
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub, add_SparekeyServiceServicer_to_server
from services.chassis.caller import Caller
from services.chassis.errors import Kind
from services.chassis.ids import new_id
from services.sparekey.cases.transitions import State
from services.sparekey.servicer import SparekeyServicer
from tests.sparekey.test_desk_when_stuck import called_after_the_end
from tests.sparekey.world import World, request
from tests.support.callers import Keys, member, operator, refused, service
from tests.support.contexts import served

CONTRACT = pb.DESCRIPTOR.services_by_name["SparekeyService"]
# Written by hand: who may ask for what.
MEMBERS = {
    "GetOptions",
    "StartOrder",
    "EnterKeyNumber",
    "GetDraft",
    "DropOrder",
    "ReviewOrder",
    "PlaceOrder",
    "GetKeyOrder",
    "ListKeyOrders",
    "ReplyKeyNumber",
    "RequestRedelivery",
    "ReportNotMine",
    "ReportMailRedirect",
    "ChooseWishDate",
    "CancelOrder",
}
OPERATORS = {"DeskEnterKeyNumber", "DeskResolve", "ListCases", "GetCase"}
WORKER = {
    "ListCases",
    "GetCase",
    "ConfirmPlaced",
    "AbandonPlaced",
    "RequestCheck",
    "ExpireIfWaiting",
    "OrderKeys",
    "CheckDispatch",
    "ReleaseDispatch",
    "DispatchRedelivery",
    "StopAtMaker",
    "RemindMember",
    "CloseCase",
    "ActAsOperator",
    "CallOperator",
    "LookAgain",
    "EraseKeyNumbers",
}
GATEWAY = {"ReceiveWebhook"}
EVERYTHING = sorted(MEMBERS | OPERATORS | WORKER | GATEWAY)


@dataclass
class Door:
    """The service behind its door, and callers of all kinds."""

    world: World
    stub: Any
    keys: Keys

    async def ask(self, method: str, asked: Any, caller: Caller | None = None) -> Any:
        who = caller or member(self.world.member_id)
        return await getattr(self.stub, method)(asked, metadata=self.keys.metadata(who, "sparekey", self.world.clock))


@pytest.fixture
async def door(world: World, keys: Keys) -> AsyncIterator[Door]:
    servicer = SparekeyServicer(world.domain)
    add = partial(add_SparekeyServiceServicer_to_server, servicer)
    async with served("sparekey", keys.ring(world.clock), [CONTRACT], add) as running:
        yield Door(world, SparekeyServiceStub(running.channel), keys)


def empty_request(method: str) -> Any:
    """A request of the method's type that says nothing."""
    name = CONTRACT.methods_by_name[method].input_type.name
    return getattr(pb, name)()


def test_the_list_of_methods_is_the_contracts() -> None:
    assert set(EVERYTHING) == {method.name for method in CONTRACT.methods}


@pytest.mark.rule("PR-11")
@pytest.mark.parametrize(
    ("caller", "open_to"),
    [
        (member(new_id("mem")), MEMBERS),
        (operator("op_sato"), OPERATORS),
        (service("worker"), WORKER),
        (service("gateway"), GATEWAY),
        (service("store"), set[str]()),
        (service("notifier"), set[str]()),
    ],
)
async def test_each_method_is_open_to_those_it_is_meant_for(door: Door, caller: Caller, open_to: set[str]) -> None:
    for method in EVERYTHING:
        try:
            await door.ask(method, empty_request(method), caller)
        except grpc.aio.AioRpcError as answer:
            shut = answer.code() is grpc.StatusCode.PERMISSION_DENIED
        else:
            shut = False
        assert shut is (method not in open_to), method


async def test_a_draft_goes_over_the_wire_with_its_number_masked(door: Door) -> None:
    rooms = [door.world.room_id]
    options = await door.ask("GetOptions", pb.GetOptionsRequest(room_ids=rooms))
    start = pb.StartOrderRequest(
        request_id=request(),
        room_id=door.world.room_id,
        kind=pb.KEY_KIND_IC,
        quantity=2,
        notices_version=options.notices_version,
        notices_language="en",
        notices_agreed=True,
    )
    order_id = (await door.ask("StartOrder", start)).order_id
    entered = pb.EnterKeyNumberRequest(request_id=request(), order_id=order_id, key_number="ｖｗ12-ab 68")
    draft = await door.ask("EnterKeyNumber", entered)
    review = await door.ask(
        "ReviewOrder", pb.ReviewOrderRequest(request_id=request(), order_id=order_id, language="en")
    )

    (room,) = options.rooms
    assert [(it.kind, it.product.price) for it in room.kinds] == [(pb.KEY_KIND_NORMAL, 3300), (pb.KEY_KIND_IC, 3300)]
    assert (draft.kind, draft.quantity, draft.key_number_masked) == (pb.KEY_KIND_IC, 2, "••••••68")
    assert list(draft.look_alikes) == [1, 2, 7, 8]
    assert draft.checkout.order_id == order_id
    assert (review.key_number_grouped, len(review.snapshot_hash)) == ("VW12 AB68", 64)


async def test_an_order_goes_over_the_wire_with_its_story_and_what_can_be_done(door: Door) -> None:
    order_id = await door.world.asked_for_number()

    order = await door.ask("GetKeyOrder", pb.GetKeyOrderRequest(order_id=order_id))

    assert (order.state, order.key_number_masked, order.next) == (
        pb.CASE_STATE_NUMBER_ASKED,
        "••••••34",
        "key-next-your-key-number",
    )
    assert [it.code for it in order.timeline] == ["key-ordered", "key-number-asked"]
    assert dict(order.timeline[1].params) == {"until": "2026-04-08"}
    assert list(order.actions) == [
        pb.MEMBER_ACTION_REPLY_KEY_NUMBER,
        pb.MEMBER_ACTION_REPORT_NOT_MINE,
        pb.MEMBER_ACTION_REPORT_MAIL_REDIRECT,
    ]
    assert (order.redelivery_charge, order.order.order_number) == (935, "0123456789")


@pytest.mark.parametrize("state", [state for state in State if state is not State.DRAFT])
def test_every_state_has_its_word_in_the_contract(state: State) -> None:
    assert pb.CaseState.Value(f"CASE_STATE_{state.name}") > 0


@pytest.mark.rule("PR-12")
async def test_a_wrong_number_is_refused_with_field_and_rule(door: Door) -> None:
    order_id = await door.world.asked_for_number()
    reply = pb.ReplyKeyNumberRequest(request_id=request(), order_id=order_id, key_number="①2345678")

    refusal = await refused(door.ask("ReplyKeyNumber", reply))

    assert (refusal.kind, refusal.code, refusal.field) == (Kind.INVALID, "key-number-malformed", "key_number")
    assert [(it.field, it.code) for it in refusal.violations] == [("key_number", "key-number-characters")]
    assert "①" not in repr(refusal.params)


@pytest.mark.rule("SK-30")
async def test_cancelling_is_refused_with_the_reason(door: Door) -> None:
    order_id = await door.world.made()

    refusal = await refused(door.ask("CancelOrder", pb.CancelOrderRequest(request_id=request(), order_id=order_id)))

    assert (refusal.kind, refusal.code) == (Kind.REFUSED, "key-cancellation-not-possible")


@pytest.mark.rule("PR-15")
async def test_another_members_order_is_not_found_by_any_method(door: Door) -> None:
    order_id = await door.world.asked_for_number()
    stranger = member(new_id("mem"))
    common = {"request_id": request(), "order_id": order_id}

    for method, asked in {
        "GetKeyOrder": pb.GetKeyOrderRequest(order_id=order_id),
        "GetDraft": pb.GetDraftRequest(order_id=order_id),
        "EnterKeyNumber": pb.EnterKeyNumberRequest(**common, key_number="AB12CD34"),
        "DropOrder": pb.DropOrderRequest(**common),
        "ReviewOrder": pb.ReviewOrderRequest(**common, language="ja"),
        "PlaceOrder": pb.PlaceOrderRequest(
            **common,
            snapshot_hash="0" * 64,
            terms_version=door.world.rules.terms_version,
            cancellation_version=door.world.rules.cancellation_version,
            agreed=True,
        ),
        "ReplyKeyNumber": pb.ReplyKeyNumberRequest(**common, key_number="AB12CD34"),
        "RequestRedelivery": pb.RequestRedeliveryRequest(**common, charge_accepted=True),
        "ReportNotMine": pb.ReportNotMineRequest(**common, household_asked=True),
        "ReportMailRedirect": pb.ReportMailRedirectRequest(**common),
        "ChooseWishDate": pb.ChooseWishDateRequest(**common),
        "CancelOrder": pb.CancelOrderRequest(**common),
    }.items():
        assert (await refused(door.ask(method, asked, stranger))).kind is Kind.NOT_FOUND, method


STEPS: dict[str, dict[str, Any]] = {
    "ConfirmPlaced": {},
    "AbandonPlaced": {"reason": "card-declined", "attempt": 1},
    "RequestCheck": {"check_round": 1},
    "ExpireIfWaiting": {},
    "OrderKeys": {},
    "CheckDispatch": {},
    "ReleaseDispatch": {},
    "DispatchRedelivery": {"redelivery": 1},
    "StopAtMaker": {},
    "RemindMember": {"reminder": "held-at-post", "days": 1},
    "CloseCase": {"state": pb.CASE_STATE_CANCELLED, "reason": "lease-ended"},
    "ActAsOperator": {"operator": "op_sato", "reason": "tried", "action": "try_again", "arguments": {"a": "b"}},
    "CallOperator": {"problem": "no-word"},
}


@pytest.mark.parametrize("method", STEPS)
async def test_no_step_is_made_of_an_order_that_is_not_there(door: Door, method: str) -> None:
    kind = type(empty_request(method))
    asked = kind(request_id=request(), order_id=new_id("ord"), **STEPS[method])
    asked.as_of.FromDatetime(door.world.now)

    refusal = await refused(door.ask(method, asked, service("worker")))

    assert refusal.kind is Kind.NOT_FOUND


@pytest.mark.rule("PR-16")
async def test_orders_are_listed_by_an_opaque_cursor(door: Door) -> None:
    order_id = await door.world.ordered()
    second = World(door.world.database, door.world.keys_file)
    second.member_id, second.member = door.world.member_id, door.world.member
    second.rooms.leases[second.member_id, second.room_id] = next(iter(door.world.rooms.leases.values()))
    newer = await second.ordered()

    first = await door.ask("ListKeyOrders", pb.ListKeyOrdersRequest(page=Page(size=1)))
    rest = await door.ask("ListKeyOrders", pb.ListKeyOrdersRequest(page=Page(size=1, cursor=first.next_cursor)))
    wrong = await refused(door.ask("ListKeyOrders", pb.ListKeyOrdersRequest(page=Page(cursor="ä"))))

    assert [it.order_id for it in first.orders] == [newer]
    assert [it.order_id for it in rest.orders] == [order_id]
    assert newer not in first.next_cursor
    assert (wrong.kind, [it.code for it in wrong.violations]) == (Kind.INVALID, ["cursor-unknown"])


async def test_the_process_reads_and_moves_the_case_over_the_wire(door: Door) -> None:
    order_id = await door.world.ordered()
    worker = service("worker")

    case = await door.ask("GetCase", pb.GetCaseRequest(order_id=order_id), worker)
    asked = pb.RequestCheckRequest(request_id=request(), order_id=order_id, check_round=case.check_round)
    asked.as_of.FromDatetime(door.world.now)
    await door.ask("RequestCheck", asked, worker)
    partner, headers, body = door.world.signed(
        "maker", "checked", order_ref=order_id, check_id=door.world.check_id(order_id, 1), result="exists"
    )
    webhook = pb.ReceiveWebhookRequest(webhook=Webhook(partner=partner, headers=dict(headers), body=body))
    receipts = [await door.ask("ReceiveWebhook", webhook, service("gateway")) for _ in range(2)]
    case = await door.ask("GetCase", pb.GetCaseRequest(order_id=order_id), operator("op_sato"))

    assert [it.seen_before for it in receipts] == [False, True]
    assert (case.state, case.member_id, case.attempt) == (pb.CASE_STATE_ACCEPTED, door.world.member_id, 1)


async def test_an_operator_resolves_what_an_order_that_has_ended_calls_for(door: Door) -> None:
    order_id = await called_after_the_end(door.world)
    asked = pb.DeskResolveRequest(request_id=request(), order_id=order_id, reason="key-came-back")

    before = await door.ask("GetCase", pb.GetCaseRequest(order_id=order_id), operator("op_sato"))
    after = await door.ask("DeskResolve", asked, operator("op_sato"))

    assert (before.needs_operator, after.needs_operator) == ("dispatched-unreleased", "")
    assert after.state == pb.CASE_STATE_CANCELLED


async def test_cases_that_need_a_person_are_listed_for_operators(door: Door) -> None:
    order_id = await door.world.cut()
    door.world.leaves()
    await door.world.look(order_id)

    listed = await door.ask("ListCases", pb.ListCasesRequest(needs_operator=True), operator("op_sato"))

    (case,) = [it for it in listed.cases if it.order_id == order_id]
    assert (case.state, case.needs_operator, case.reason) == (pb.CASE_STATE_STOPPED, "lease-ended", "lease-ended")
