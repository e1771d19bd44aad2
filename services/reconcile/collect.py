"""Reads every book through the doors of those who own them: at night, or as an operator (OP-06)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from temporalio.client import Client

from ruum.common.v1 import common_pb2
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import temporal, wire
from services.chassis.neighbour import Neighbour
from services.chassis.settings import CallerSettings
from services.reconcile.facts import Books, Money, Points

OPERATOR = "op_reconcile"
_PAGE = 100


class ReconcileSettings(CallerSettings):
    """Settings of `ruum reconcile`; its signing key is the desk's."""

    store_address: str
    points_address: str
    sparekey_address: str
    temporal_address: str
    temporal_namespace: str = "ruum"


Metadata = list[tuple[str, str]]


class Reader:
    """Reads the books page by page.

    Args:
        who: makes the metadata of a call to a service; whoever is trusted by its channel alone needs none.
    """

    def __init__(
        self,
        store: StoreServiceStub,
        points: PointsServiceStub,
        sparekey: SparekeyServiceStub,
        processes: Client,
        who: Callable[[str], Metadata | None] = lambda _: None,
    ) -> None:
        self._store: Any = store
        self._points: Any = points
        self._sparekey: Any = sparekey
        self._processes = processes
        self._who = who

    async def books(self) -> Books:
        """All books as they are now.

        Raises:
            RuumError: one of them cannot be read.
        """
        running = frozenset([run.id async for run in self._processes.list_workflows('ExecutionStatus = "Running"')])
        money: dict[str, Money] = {}
        differing: set[tuple[str, str]] = set()
        async for page in self._pages(self._store.ListBooks, store_pb2.ListBooksRequest, "store"):
            money |= {book.order.order_id: _money(book) for book in page.books}
            differing |= {(one.kind, one.of) for one in page.differing}
        cases: dict[str, str] = {}
        async for page in self._pages(self._sparekey.ListCases, sparekey_pb2.ListCasesRequest, "sparekey"):
            cases |= {case.order_id: wire.word(sparekey_pb2.CaseState, case.state) for case in page.cases}
        points: dict[str, Points] = {}
        async for page in self._pages(self._points.ListOrderPoints, points_pb2.ListOrderPointsRequest, "points"):
            points |= {one.order_id: _points(one) for one in page.orders}
        balance = await self._points.GetTrialBalance(points_pb2.GetTrialBalanceRequest(), metadata=self._who("points"))
        differing |= {("balance", member_id) for member_id in balance.differing_member_ids}
        return Books(money, points, cases, running, balance.sum, frozenset(differing))

    async def _pages(self, method: Any, request: Any, audience: str) -> AsyncIterator[Any]:
        cursor = ""
        while True:
            page = common_pb2.Page(cursor=cursor, size=_PAGE)
            answer = await method(request(page=page), metadata=self._who(audience))
            yield answer
            cursor = answer.next_cursor
            if not cursor:
                return


async def read_by_operator(settings: ReconcileSettings) -> Books:
    """All books as they are now, for `ruum reconcile`.

    Raises:
        RuumError: one of them cannot be read.
    """
    client = await temporal.connect(settings.temporal_address, settings.temporal_namespace)
    async with Neighbour("desk", settings) as desk:
        reader = Reader(
            StoreServiceStub(desk.channel("store")),
            PointsServiceStub(desk.channel("points")),
            SparekeyServiceStub(desk.channel("sparekey")),
            client,
            lambda audience: desk.as_operator(audience, OPERATOR),
        )
        return await reader.books()


def _money(book: store_pb2.Book) -> Money:
    order = book.order
    return Money(
        state=wire.word(store_pb2.OrderState, order.state),
        means=wire.word(store_pb2.Means, order.payment.means),
        due=order.totals.due,
        points=order.totals.points,
        earns=order.totals.points_to_earn,
        attempt=order.attempt,
        payment=wire.word(store_pb2.PaymentState, order.payment.state),
        authorised=book.authorised,
        captured=book.captured,
        refunded=book.refunded,
        open_intents=book.open_intents,
        partner=wire.word(store_pb2.PaymentState, book.partner_state),
        left_behind=book.left_behind,
        invoice=wire.word(store_pb2.InvoiceState, order.invoice.state) if order.HasField("invoice") else "",
        invoice_id=order.invoice.invoice_id,
    )


def _points(one: points_pb2.OrderPoints) -> Points:
    return Points(one.held, one.captured, one.released, one.given_back, one.granted, one.pending)
