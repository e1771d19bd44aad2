"""The contract of sparekey over gRPC: decodes, asks the domain, encodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from ruum.common.v1.common_pb2 import WebhookReceipt
from ruum.sparekey.v1 import sparekey_pb2 as pb
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceServicer
from services.chassis.door import caller
from services.sparekey import messages
from services.sparekey.actions import domain as actions
from services.sparekey.actions.domain import Requests
from services.sparekey.cases import domain as steps
from services.sparekey.cases.domain import Steps
from services.sparekey.cases.transitions import State
from services.sparekey.desk.actions import ActAsOperator
from services.sparekey.desk.domain import Desk, DeskEnterKeyNumber, DeskResolve
from services.sparekey.drafts.domain import Drafts, DropOrder, EnterKeyNumber, StartOrder
from services.sparekey.leaving.domain import CheckDispatch, Leaving, LookAgain
from services.sparekey.numbers.domain import EraseKeyNumbers, Vault
from services.sparekey.orders.domain import Orders
from services.sparekey.placing.domain import PlaceOrder, Placings, ReviewOrder
from services.sparekey.placing.steps import AbandonPlaced, ConfirmPlaced, PlacingSteps
from services.sparekey.settings import Rules
from services.sparekey.webhooks.domain import Webhooks


@dataclass(frozen=True)
class Domain:
    """The service's domain, wired."""

    rules: Rules
    vault: Vault
    drafts: Drafts
    placings: Placings
    placed: PlacingSteps
    orders: Orders
    requests: Requests
    steps: Steps
    leaving: Leaving
    webhooks: Webhooks
    desk: Desk


class SparekeyServicer(SparekeyServiceServicer):
    def __init__(self, domain: Domain) -> None:
        self._it = domain

    # Members.

    async def GetOptions(self, request: pb.GetOptionsRequest, context: Any) -> pb.Options:
        offers = await self._it.drafts.offers(caller(), list(request.room_ids))
        return messages.options(offers, self._it.rules)

    async def StartOrder(self, request: pb.StartOrderRequest, context: Any) -> pb.Draft:
        asked = StartOrder(
            request_id=request.request_id,
            room_id=request.room_id,
            kind=messages.kind_of(request.kind),
            quantity=request.quantity,
            notices_version=request.notices_version,
            notices_language=request.notices_language,
            notices_agreed=request.notices_agreed,
            no_e_touch_acknowledged=request.no_e_touch_acknowledged,
        )
        return messages.draft(await self._it.drafts.start(caller(), asked))

    async def EnterKeyNumber(self, request: pb.EnterKeyNumberRequest, context: Any) -> pb.Draft:
        asked = EnterKeyNumber(request_id=request.request_id, order_id=request.order_id, key_number=request.key_number)
        return messages.draft(await self._it.drafts.enter_number(caller(), asked))

    async def GetDraft(self, request: pb.GetDraftRequest, context: Any) -> pb.Draft:
        return messages.draft(await self._it.drafts.get(caller(), request.order_id))

    async def DropOrder(self, request: pb.DropOrderRequest, context: Any) -> pb.DropOrderResponse:
        asked = DropOrder(request_id=request.request_id, order_id=request.order_id)
        await self._it.drafts.drop(caller(), asked)
        return pb.DropOrderResponse()

    async def ReviewOrder(self, request: pb.ReviewOrderRequest, context: Any) -> pb.Review:
        asked = ReviewOrder(request_id=request.request_id, order_id=request.order_id, language=request.language)
        return messages.review(await self._it.placings.review(caller(), asked), self._it.rules)

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, context: Any) -> pb.Placed:
        asked = PlaceOrder(
            request_id=request.request_id,
            order_id=request.order_id,
            snapshot_hash=request.snapshot_hash,
            terms_version=request.terms_version,
            cancellation_version=request.cancellation_version,
            agreed=request.agreed,
        )
        return messages.placed(request.order_id, await self._it.placings.place(caller(), asked))

    async def GetKeyOrder(self, request: pb.GetKeyOrderRequest, context: Any) -> pb.KeyOrder:
        return await self._order(request.order_id)

    async def ListKeyOrders(self, request: pb.ListKeyOrdersRequest, context: Any) -> pb.ListKeyOrdersResponse:
        before, size = messages.asked_page(request.page)
        found = await self._it.orders.page(caller(), before, size)
        return pb.ListKeyOrdersResponse(
            orders=[messages.key_order(view, self._it.rules) for view in found],
            next_cursor=messages.cursor([view.case.order_id for view in found], size),
        )

    async def ReplyKeyNumber(self, request: pb.ReplyKeyNumberRequest, context: Any) -> pb.KeyOrder:
        asked = actions.ReplyKeyNumber(
            request_id=request.request_id, order_id=request.order_id, key_number=request.key_number
        )
        await self._it.requests.reply(caller(), asked)
        return await self._order(request.order_id)

    async def RequestRedelivery(self, request: pb.RequestRedeliveryRequest, context: Any) -> pb.KeyOrder:
        asked = actions.RequestRedelivery(
            request_id=request.request_id, order_id=request.order_id, charge_accepted=request.charge_accepted
        )
        await self._it.requests.redeliver(caller(), asked)
        return await self._order(request.order_id)

    async def ReportNotMine(self, request: pb.ReportNotMineRequest, context: Any) -> pb.KeyOrder:
        asked = actions.ReportNotMine(
            request_id=request.request_id, order_id=request.order_id, household_asked=request.household_asked
        )
        await self._it.requests.not_mine(caller(), asked)
        return await self._order(request.order_id)

    async def ReportMailRedirect(self, request: pb.ReportMailRedirectRequest, context: Any) -> pb.KeyOrder:
        asked = actions.ReportMailRedirect(request_id=request.request_id, order_id=request.order_id)
        await self._it.requests.mail_redirect(caller(), asked)
        return await self._order(request.order_id)

    async def ChooseWishDate(self, request: pb.ChooseWishDateRequest, context: Any) -> pb.KeyOrder:
        asked = actions.ChooseWishDate(
            request_id=request.request_id, order_id=request.order_id, wish_date=request.wish_date
        )
        await self._it.requests.choose_wish(caller(), asked)
        return await self._order(request.order_id)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Any) -> pb.KeyOrder:
        await self._it.requests.cancel(caller(), request.order_id)
        return await self._order(request.order_id)

    async def _order(self, order_id: str) -> pb.KeyOrder:
        return messages.key_order(await self._it.orders.get(caller(), order_id), self._it.rules)

    # Partners and the desk.

    async def ReceiveWebhook(self, request: pb.ReceiveWebhookRequest, context: Any) -> WebhookReceipt:
        webhook = request.webhook
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        seen = await self._it.webhooks.receive(caller(), webhook.partner, headers, webhook.body)
        return WebhookReceipt(seen_before=seen)

    async def DeskEnterKeyNumber(self, request: pb.DeskEnterKeyNumberRequest, context: Any) -> pb.DeskReference:
        asked = DeskEnterKeyNumber(
            request_id=request.request_id, order_id=request.order_id, key_number=request.key_number
        )
        return pb.DeskReference(reference=(await self._it.desk.enter_number(caller(), asked)).reference)

    async def DeskResolve(self, request: pb.DeskResolveRequest, context: Any) -> pb.Case:
        asked = DeskResolve(request_id=request.request_id, order_id=request.order_id, reason=request.reason)
        await self._it.desk.resolve(caller(), asked)
        return messages.case(await self._it.steps.case(request.order_id))

    async def ListCases(self, request: pb.ListCasesRequest, context: Any) -> pb.ListCasesResponse:
        before, size = messages.asked_page(request.page)
        found = await self._it.desk.cases(before, size, needing=request.needs_operator)
        return pb.ListCasesResponse(
            cases=map(messages.case, found), next_cursor=messages.cursor([view.order_id for view in found], size)
        )

    # The process.

    async def ConfirmPlaced(self, request: pb.ConfirmPlacedRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.placed.confirm(caller(), ConfirmPlaced(**_step(request))))

    async def AbandonPlaced(self, request: pb.AbandonPlacedRequest, context: Any) -> pb.Case:
        step = AbandonPlaced(**_step(request), reason=request.reason, attempt=request.attempt)
        return messages.case(await self._it.placed.abandon(caller(), step))

    async def GetCase(self, request: pb.GetCaseRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.steps.case(request.order_id))

    async def RequestCheck(self, request: pb.RequestCheckRequest, context: Any) -> pb.Case:
        step = steps.RequestCheck(**_step(request), check_round=request.check_round)
        return messages.case(await self._it.steps.request_check(caller(), step))

    async def ExpireIfWaiting(self, request: pb.ExpireIfWaitingRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.steps.expire(caller(), steps.ExpireIfWaiting(**_step(request))))

    async def OrderKeys(self, request: pb.OrderKeysRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.steps.order_keys(caller(), steps.OrderKeys(**_step(request))))

    async def CheckDispatch(self, request: pb.CheckDispatchRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.leaving.check_dispatch(caller(), CheckDispatch(**_step(request))))

    async def ReleaseDispatch(self, request: pb.ReleaseDispatchRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.steps.release(caller(), steps.ReleaseDispatch(**_step(request))))

    async def DispatchRedelivery(self, request: pb.DispatchRedeliveryRequest, context: Any) -> pb.Case:
        step = steps.DispatchRedelivery(**_step(request), redelivery=request.redelivery)
        return messages.case(await self._it.steps.redeliver(caller(), step))

    async def StopAtMaker(self, request: pb.StopAtMakerRequest, context: Any) -> pb.Case:
        return messages.case(await self._it.steps.stop(caller(), steps.StopAtMaker(**_step(request))))

    async def RemindMember(self, request: pb.RemindMemberRequest, context: Any) -> pb.Case:
        step = steps.RemindMember(
            **_step(request), reminder=request.reminder, days=request.days, redelivery=request.redelivery
        )
        return messages.case(await self._it.steps.remind(caller(), step))

    async def CloseCase(self, request: pb.CloseCaseRequest, context: Any) -> pb.Case:
        state = State(messages.state_of(request.state))
        step = steps.CloseCase(**_step(request), state=state, reason=request.reason)
        return messages.case(await self._it.steps.close(caller(), step))

    async def CallOperator(self, request: pb.CallOperatorRequest, context: Any) -> pb.Case:
        step = steps.CallOperator(**_step(request), problem=request.problem)
        return messages.case(await self._it.steps.call_operator(caller(), step))

    async def ActAsOperator(self, request: pb.ActAsOperatorRequest, context: Any) -> pb.Case:
        asked = ActAsOperator(
            **_step(request),
            operator=request.operator,
            reason=request.reason,
            action=request.action,
            arguments=dict(request.arguments),
        )
        return messages.case(await self._it.desk.act(caller(), asked))

    async def LookAgain(self, request: pb.LookAgainRequest, context: Any) -> pb.LookAgainResponse:
        due = await self._it.leaving.look_again(caller(), LookAgain(**_asked(request)))
        return pb.LookAgainResponse(keys=due.keys)

    async def EraseKeyNumbers(self, request: pb.EraseKeyNumbersRequest, context: Any) -> pb.EraseKeyNumbersResponse:
        erased = await self._it.vault.erase(caller(), EraseKeyNumbers(**_asked(request)))
        return pb.EraseKeyNumbersResponse(erased=erased.erased)


def _step(request: Any) -> dict[str, Any]:
    return {**_asked(request), "order_id": request.order_id}


def _asked(request: Any) -> dict[str, Any]:
    as_of = request.as_of.ToDatetime(UTC) if request.HasField("as_of") else None
    return {"request_id": request.request_id, "as_of": as_of}
