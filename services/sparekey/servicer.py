"""The contract of sparekey: read, ask the domain, write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruum.common.v1.common_pb2 import WebhookReceipt
from ruum.sparekey.v1 import sparekey_pb2 as pb
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceServicer
from services.chassis import wire
from services.chassis.door import caller
from services.sparekey import messages
from services.sparekey.desk.actions import ActAsOperator
from services.sparekey.desk.domain import Desk, DeskEnterKeyNumber, DeskResolve
from services.sparekey.dispatch.domain import CheckDispatch, Dispatch, LookAgain
from services.sparekey.drafts.domain import Drafts, DropOrder, EnterKeyNumber, StartOrder
from services.sparekey.making.domain import Making
from services.sparekey.members import domain as members
from services.sparekey.members.domain import MemberActions
from services.sparekey.numbers.domain import EraseKeyNumbers, Vault
from services.sparekey.orders.domain import Orders
from services.sparekey.placing.domain import PlaceOrder, Placings, ReviewOrder
from services.sparekey.placing.steps import AbandonPlaced, ConfirmPlaced, PlacingSteps
from services.sparekey.steps import domain as steps
from services.sparekey.steps.domain import Steps
from services.sparekey.webhooks.domain import Webhooks


@dataclass(frozen=True)
class Domain:
    """The domain of sparekey, wired."""

    vault: Vault
    drafts: Drafts
    placings: Placings
    placed: PlacingSteps
    orders: Orders
    member_actions: MemberActions
    steps: Steps
    making: Making
    dispatch: Dispatch
    webhooks: Webhooks
    desk: Desk


class SparekeyServicer(SparekeyServiceServicer):
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    # Members.

    async def GetOptions(self, request: pb.GetOptionsRequest, context: Any) -> pb.Options:
        return wire.write(pb.Options, await self._domain.drafts.options(caller(), request.room_ids))

    async def StartOrder(self, request: pb.StartOrderRequest, context: Any) -> pb.Draft:
        return messages.draft(await self._domain.drafts.start(caller(), wire.read(StartOrder, request)))

    async def EnterKeyNumber(self, request: pb.EnterKeyNumberRequest, context: Any) -> pb.Draft:
        return messages.draft(await self._domain.drafts.enter_number(caller(), wire.read(EnterKeyNumber, request)))

    async def GetDraft(self, request: pb.GetDraftRequest, context: Any) -> pb.Draft:
        return messages.draft(await self._domain.drafts.get(caller(), request.order_id))

    async def DropOrder(self, request: pb.DropOrderRequest, context: Any) -> pb.DropOrderResponse:
        await self._domain.drafts.drop(caller(), wire.read(DropOrder, request))
        return pb.DropOrderResponse()

    async def ReviewOrder(self, request: pb.ReviewOrderRequest, context: Any) -> pb.Review:
        return messages.review(await self._domain.placings.review(caller(), wire.read(ReviewOrder, request)))

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, context: Any) -> pb.Placed:
        answer = await self._domain.placings.place(caller(), wire.read(PlaceOrder, request))
        return wire.write(pb.Placed, answer, order_id=request.order_id)

    async def GetKeyOrder(self, request: pb.GetKeyOrderRequest, context: Any) -> pb.KeyOrder:
        return await self._order(request.order_id)

    async def ListKeyOrders(self, request: pb.ListKeyOrdersRequest, context: Any) -> pb.ListKeyOrdersResponse:
        listed = await self._domain.orders.list(caller(), wire.page(request.page))
        return wire.write(pb.ListKeyOrdersResponse, listed, orders=map(messages.key_order, listed.items))

    async def ReplyKeyNumber(self, request: pb.ReplyKeyNumberRequest, context: Any) -> pb.KeyOrder:
        await self._domain.member_actions.reply(caller(), wire.read(members.ReplyKeyNumber, request))
        return await self._order(request.order_id)

    async def RequestRedelivery(self, request: pb.RequestRedeliveryRequest, context: Any) -> pb.KeyOrder:
        await self._domain.member_actions.redeliver(caller(), wire.read(members.RequestRedelivery, request))
        return await self._order(request.order_id)

    async def ReportNotMine(self, request: pb.ReportNotMineRequest, context: Any) -> pb.KeyOrder:
        await self._domain.member_actions.not_mine(caller(), wire.read(members.ReportNotMine, request))
        return await self._order(request.order_id)

    async def ReportMailRedirect(self, request: pb.ReportMailRedirectRequest, context: Any) -> pb.KeyOrder:
        await self._domain.member_actions.mail_redirect(caller(), wire.read(members.ReportMailRedirect, request))
        return await self._order(request.order_id)

    async def ChooseWishDate(self, request: pb.ChooseWishDateRequest, context: Any) -> pb.KeyOrder:
        await self._domain.member_actions.choose_wish(caller(), wire.read(members.ChooseWishDate, request))
        return await self._order(request.order_id)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Any) -> pb.KeyOrder:
        await self._domain.member_actions.cancel(caller(), request.order_id)
        return await self._order(request.order_id)

    async def _order(self, order_id: str) -> pb.KeyOrder:
        return messages.key_order(await self._domain.orders.get(caller(), order_id))

    # Partners and the desk.

    async def ReceiveWebhook(self, request: pb.ReceiveWebhookRequest, context: Any) -> WebhookReceipt:
        webhook = request.webhook
        seen = await self._domain.webhooks.receive(caller(), webhook.partner, webhook.headers, webhook.body)
        return WebhookReceipt(seen_before=seen)

    async def DeskEnterKeyNumber(self, request: pb.DeskEnterKeyNumberRequest, context: Any) -> pb.DeskReference:
        entered = await self._domain.desk.enter_number(caller(), wire.read(DeskEnterKeyNumber, request))
        return wire.write(pb.DeskReference, entered)

    async def DeskResolve(self, request: pb.DeskResolveRequest, context: Any) -> pb.Case:
        await self._domain.desk.resolve(caller(), wire.read(DeskResolve, request))
        return wire.write(pb.Case, await self._domain.steps.case(request.order_id))

    async def ListCases(self, request: pb.ListCasesRequest, context: Any) -> pb.ListCasesResponse:
        listed = await self._domain.desk.cases(wire.page(request.page), needing=request.needs_operator)
        return wire.write(pb.ListCasesResponse, listed, cases=listed.items)

    # The process.

    async def ConfirmPlaced(self, request: pb.ConfirmPlacedRequest, context: Any) -> pb.Case:
        case = await self._domain.placed.confirm(caller(), wire.read(ConfirmPlaced, request))
        return wire.write(pb.Case, case)

    async def AbandonPlaced(self, request: pb.AbandonPlacedRequest, context: Any) -> pb.Case:
        case = await self._domain.placed.abandon(caller(), wire.read(AbandonPlaced, request))
        return wire.write(pb.Case, case)

    async def GetCase(self, request: pb.GetCaseRequest, context: Any) -> pb.Case:
        return wire.write(pb.Case, await self._domain.steps.case(request.order_id))

    async def RequestCheck(self, request: pb.RequestCheckRequest, context: Any) -> pb.Case:
        return wire.write(
            pb.Case, await self._domain.steps.request_check(caller(), wire.read(steps.RequestCheck, request))
        )

    async def ExpireIfWaiting(self, request: pb.ExpireIfWaitingRequest, context: Any) -> pb.Case:
        case = await self._domain.steps.expire(caller(), wire.read(steps.ExpireIfWaiting, request))
        return wire.write(pb.Case, case)

    async def OrderKeys(self, request: pb.OrderKeysRequest, context: Any) -> pb.Case:
        case = await self._domain.steps.order_keys(caller(), wire.read(steps.OrderKeys, request))
        return wire.write(pb.Case, case)

    async def CheckDispatch(self, request: pb.CheckDispatchRequest, context: Any) -> pb.Case:
        return wire.write(
            pb.Case, await self._domain.dispatch.check_dispatch(caller(), wire.read(CheckDispatch, request))
        )

    async def ReleaseDispatch(self, request: pb.ReleaseDispatchRequest, context: Any) -> pb.Case:
        return wire.write(
            pb.Case, await self._domain.steps.release(caller(), wire.read(steps.ReleaseDispatch, request))
        )

    async def DispatchRedelivery(self, request: pb.DispatchRedeliveryRequest, context: Any) -> pb.Case:
        return wire.write(
            pb.Case, await self._domain.steps.redeliver(caller(), wire.read(steps.DispatchRedelivery, request))
        )

    async def StopAtMaker(self, request: pb.StopAtMakerRequest, context: Any) -> pb.Case:
        case = await self._domain.steps.stop(caller(), wire.read(steps.StopAtMaker, request))
        return wire.write(pb.Case, case)

    async def RemindMember(self, request: pb.RemindMemberRequest, context: Any) -> pb.Case:
        case = await self._domain.steps.remind(caller(), wire.read(steps.RemindMember, request))
        return wire.write(pb.Case, case)

    async def CloseCase(self, request: pb.CloseCaseRequest, context: Any) -> pb.Case:
        case = await self._domain.steps.close(caller(), wire.read(steps.CloseCase, request))
        return wire.write(pb.Case, case)

    async def CallOperator(self, request: pb.CallOperatorRequest, context: Any) -> pb.Case:
        return wire.write(
            pb.Case, await self._domain.steps.call_operator(caller(), wire.read(steps.CallOperator, request))
        )

    async def ActAsOperator(self, request: pb.ActAsOperatorRequest, context: Any) -> pb.Case:
        case = await self._domain.desk.act(caller(), wire.read(ActAsOperator, request))
        return wire.write(pb.Case, case)

    async def LookAgain(self, request: pb.LookAgainRequest, context: Any) -> pb.LookAgainResponse:
        looks = await self._domain.dispatch.look_again(caller(), wire.read(LookAgain, request))
        return wire.write(pb.LookAgainResponse, looks)

    async def EraseKeyNumbers(self, request: pb.EraseKeyNumbersRequest, context: Any) -> pb.EraseKeyNumbersResponse:
        erased = await self._domain.vault.erase(caller(), wire.read(EraseKeyNumbers, request))
        return wire.write(pb.EraseKeyNumbersResponse, erased)
