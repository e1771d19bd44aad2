"""Reads every book through the doors of those who own them, as an operator (OP-06)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ruum.common.v1 import common_pb2
from ruum.points.v1 import points_pb2
from ruum.points.v1.points_pb2_grpc import PointsServiceStub
from ruum.sparekey.v1 import sparekey_pb2
from ruum.sparekey.v1.sparekey_pb2_grpc import SparekeyServiceStub
from ruum.store.v1 import store_pb2
from ruum.store.v1.store_pb2_grpc import StoreServiceStub
from services.chassis import temporal
from services.chassis.neighbour import Neighbour
from services.chassis.settings import CallerSettings
from services.reconcile.facts import Books, Money, Points

OPERATOR = "op_reconcile"
_PAGE = 100


class ReconcileSettings(CallerSettings):
    """What `ruum reconcile` is told; its signing key is the desk's."""

    store_address: str
    points_address: str
    sparekey_address: str
    temporal_address: str
    temporal_namespace: str = "ruum"


class Collector:
    """Reads the books."""

    def __init__(self, settings: ReconcileSettings) -> None:
        self._settings = settings
        self._desk = Neighbour("desk", settings)

    async def collect(self) -> Books:
        """All books as they are now.

        Raises:
            RuumError: one of them cannot be read.
        """
        async with self._desk:
            return await self._collect()

    async def _collect(self) -> Books:
        settings = self._settings
        store = StoreServiceStub(self._desk.channel("store"))
        points = PointsServiceStub(self._desk.channel("points"))
        sparekey = SparekeyServiceStub(self._desk.channel("sparekey"))
        client = await temporal.connect(settings.temporal_address, settings.temporal_namespace)
        running = frozenset([run.id async for run in client.list_workflows('ExecutionStatus = "Running"')])
        money = {
            book.order.order_id: _money(book)
            async for book in self._pages(store.ListBooks, store_pb2.ListBooksRequest, "books", "store")
        }
        cases = {
            case.order_id: _word(sparekey_pb2.CaseState, case.state)
            async for case in self._pages(sparekey.ListCases, sparekey_pb2.ListCasesRequest, "cases", "sparekey")
        }
        balance = await points.GetTrialBalance(points_pb2.GetTrialBalanceRequest(), metadata=self._operator("points"))
        return Books(money, await self._points(points, sorted({*money, *cases})), cases, running, balance.sum)

    async def _points(self, points: Any, orders: list[str]) -> dict[str, Points]:
        found: dict[str, Points] = {}
        for start in range(0, len(orders), _PAGE):
            asked = points_pb2.ListOrderPointsRequest(order_ids=orders[start : start + _PAGE])
            answer = await points.ListOrderPoints(asked, metadata=self._operator("points"))
            found |= {
                one.order_id: Points(one.held, one.captured, one.released, one.given_back, one.granted, one.pending)
                for one in answer.orders
            }
        return found

    async def _pages(self, method: Any, request: Any, rows: str, audience: str) -> AsyncIterator[Any]:
        cursor = ""
        while True:
            page = common_pb2.Page(cursor=cursor, size=_PAGE)
            answer = await method(request(page=page), metadata=self._operator(audience))
            for row in getattr(answer, rows):
                yield row
            cursor = answer.next_cursor
            if not cursor:
                return

    def _operator(self, audience: str) -> list[tuple[str, str]]:
        return self._desk.as_operator(audience, OPERATOR)


def _money(book: store_pb2.Book) -> Money:
    order = book.order
    return Money(
        state=_word(store_pb2.OrderState, order.state),
        means=_word(store_pb2.Means, order.payment.means),
        due=order.totals.due,
        points=order.totals.points,
        earns=order.totals.points_to_earn,
        attempt=order.attempt,
        payment=_word(store_pb2.PaymentState, order.payment.state),
        authorised=book.authorised,
        captured=book.captured,
        refunded=book.refunded,
        open_intents=book.open_intents,
        partner=_word(store_pb2.PaymentState, book.partner_state),
    )


def _word(kinds: Any, number: int) -> str:
    prefix = kinds.keys()[0].removesuffix("UNSPECIFIED")
    return str(kinds.Name(number)).removeprefix(prefix).lower().replace("_", "-")
