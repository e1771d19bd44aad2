"""Orders and their lines; an order that is not placed yet is a checkout: same id, same row."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Self, TypedDict

import sqlalchemy as sa
from sqlmodel import Field

from services.chassis.columns import instant, is_one_of, record, text, whole
from services.chassis.jst import BusinessCalendar, jst_date
from services.store.invoices.models import InvoiceView
from services.store.models import Address, Means, Recipient, Table, View
from services.store.payments.models import PaymentView
from services.store.settings import Rules

OrderState = Literal[
    "checkout",
    "placing",
    "awaiting-payer",
    "placed",
    "arranged",
    "dispatched",
    "delivered",
    "closed",
    "cancelling",
    "cancelled",
    "dropped",
]
PointsChoice = Literal["none", "some", "all"]
InvoiceTo = Literal["delivery", "orderer"]

STATES: tuple[OrderState, ...] = OrderState.__args__  # type: ignore[attr-defined]  # the words of a Literal
UNPLACED: tuple[OrderState, ...] = ("checkout", "placing", "awaiting-payer")
PLACING: tuple[OrderState, ...] = ("placing", "awaiting-payer")
ON_ITS_WAY: tuple[OrderState, ...] = ("placed", "arranged", "dispatched", "delivered", "closed")
"""In the order in which a placed order passes them."""
UNDISPATCHED: tuple[OrderState, ...] = ("placed", "arranged")
CANCELLABLE: tuple[OrderState, ...] = ("placed", "arranged", "dispatched")

KEY_FLOW = "spare-key"
KEYS_AT_MOST = 10
"""Keys that one order may hold (SK-06)."""


class LineView(View):
    """One line: what, how many, for how much, and what coupon and points bear of it (PT-04)."""

    line_id: str
    product_id: str
    sku: str
    name: dict[str, str]
    quantity: int
    unit_price: int
    tax_rate: int
    earns_points: bool
    admits_points: bool
    coupon_share: int = 0
    points_share: int = 0

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price


class Totals(View):
    """Whole yen, in the order of computation: goods, coupon, shipping and charges, points, means (ST-11)."""

    goods: int = 0
    coupon: int = 0
    shipping: int = 0
    charges: int = 0
    points: int = 0
    due: int = 0
    earning_amount: int = 0
    """Yen of goods that earn points, after coupon and points (PT-04)."""


class TotalsView(Totals):
    """Sums as they are answered."""

    points_to_earn: int

    @classmethod
    def of(cls, totals: Totals, rules: Rules) -> Self:
        return cls(**totals.model_dump(), points_to_earn=rules.points_for(totals.earning_amount))

    @property
    def points_yen(self) -> int:
        """What the points pay: each is a yen (PT-01)."""
        return self.points


class Promise(View):
    """The day of dispatch, and the calendar that it was counted with (SK-28)."""

    promised_on: date
    calendar_version: str

    @classmethod
    def of(cls, calendar: BusinessCalendar, now: datetime, business_days: int) -> Self:
        """So many business days after the present one (PR-04)."""
        day = calendar.add_business_days(jst_date(now), business_days)
        return cls(promised_on=day, calendar_version=calendar.version)


class OrderView(View):
    """An order as it is answered."""

    order_id: str
    flow: str
    order_number: str
    version: int
    member_id: str
    room_id: str
    state: OrderState
    attempt: int
    lines: tuple[LineView, ...]
    totals: TotalsView
    payment: PaymentView | None
    invoice: InvoiceView | None
    recipient: Recipient
    address: Address
    wish_date: date | None
    remarks: str
    coupon_code: str
    placed_at: datetime | None
    promised_dispatch_on: date | None
    calendar_version: str
    dispatched_at: datetime | None
    delivered_at: datetime | None
    cancel_reason: str


class OrderChanges(TypedDict, total=False):
    """The columns that moves of an order change."""

    state: OrderState
    attempt: int
    payment_id: str | None
    room_id: str
    address: dict[str, str]
    recipient: dict[str, str]
    points_choice: PointsChoice
    points_some: int
    coupon_code: str
    means: Means
    card_id: str | None
    keep_card: bool
    invoice_to: InvoiceTo
    wish_date: date | None
    remarks: str
    promised_on: date
    calendar_version: str
    dispatched_at: datetime
    delivered_at: datetime
    closed_at: datetime
    unclaimed: bool
    cancelled_at: datetime
    cancel_reason: str


class Order(Table, table=True):
    __tablename__ = "orders"
    __table_args__ = (
        sa.CheckConstraint(is_one_of("state", STATES), name="orders_state"),
        sa.CheckConstraint("points_choice in ('none', 'some', 'all')", name="orders_points_choice"),
        sa.CheckConstraint("means in ('', 'card', 'deferred', 'epos', 'none')", name="orders_means"),
        sa.CheckConstraint("invoice_to in ('delivery', 'orderer')", name="orders_invoice_to"),
        sa.CheckConstraint("goods - coupon + shipping + charges - points = due and due >= 0", name="orders_sum"),
        sa.CheckConstraint(
            "least(goods, coupon, shipping, charges, points, earning_amount) >= 0", name="orders_not_negative"
        ),
        sa.UniqueConstraint("order_number", name="orders_number"),
        # Two tabs, one cart: a member has one open order of keys (SK-22).
        sa.Index(
            "orders_open_key_checkout",
            "member_id",
            unique=True,
            postgresql_where=sa.text(f"flow = '{KEY_FLOW}' and {is_one_of('state', UNPLACED)}"),
        ),
        sa.Index(
            "orders_of_member", "member_id", "placed_at", "order_id", postgresql_where=sa.text("placed_at is not null")
        ),
    )

    order_id: str = text(primary_key=True)
    flow: str = text()
    order_number: str | None = text(default=None)
    version: int = Field(default=1, sa_type=sa.BigInteger)
    member_id: str = text()
    room_id: str = text()
    state: OrderState = text()
    attempt: int = 0
    """The last try of placing that was begun; none is begun twice."""
    payment_id: str | None = text(default=None)
    """The payment that counts; others of the order are over or on their way back."""
    address: dict[str, str] = record()
    recipient: dict[str, str] = record()
    points_choice: PointsChoice = text(default="none")
    points_some: int = whole(default=0)
    coupon_code: str = text(default="")
    means: Means | Literal[""] = text(default="")
    card_id: str | None = text(default=None)
    keep_card: bool = True
    invoice_to: InvoiceTo = text(default="delivery")
    wish_date: date | None = None
    remarks: str = text(default="")
    goods: int = whole(default=0)
    coupon: int = whole(default=0)
    shipping: int = whole(default=0)
    charges: int = whole(default=0)
    points: int = whole(default=0)
    due: int = whole(default=0)
    earning_amount: int = whole(default=0)
    shipping_points: int = whole(default=0)
    snapshot_hash: str | None = text(default=None)
    terms_version: str | None = text(default=None)
    cancellation_version: str | None = text(default=None)
    opened_at: datetime = instant()
    placed_at: datetime | None = instant(default=None)
    promised_on: date | None = None
    calendar_version: str = text(default="")
    dispatched_at: datetime | None = instant(default=None)
    delivered_at: datetime | None = instant(default=None)
    closed_at: datetime | None = instant(default=None)
    unclaimed: bool = False
    cancelled_at: datetime | None = instant(default=None)
    cancel_reason: str = text(default="")

    @property
    def ids(self) -> dict[str, str]:
        """What every event of it names: the order and its member."""
        return {"aggregate_id": self.order_id, "order_id": self.order_id, "member_id": self.member_id}

    @property
    def totals(self) -> Totals:
        return Totals.model_validate(self.model_dump())

    def view(
        self, lines: Sequence[LineView], payment: PaymentView | None, invoice: InvoiceView | None, rules: Rules
    ) -> OrderView:
        own = self.model_dump() | {
            "order_number": self.order_number or "",
            "lines": lines,
            "totals": TotalsView.of(self.totals, rules),
            "payment": payment,
            "invoice": invoice,
            "promised_dispatch_on": self.promised_on,
        }
        return OrderView.model_validate(own)


class OrderLine(Table, table=True):
    __tablename__ = "order_lines"
    __table_args__ = (
        sa.CheckConstraint(f"quantity between 1 and {KEYS_AT_MOST}", name="order_lines_quantity"),
        sa.CheckConstraint("unit_price > 0", name="order_lines_price"),
        sa.CheckConstraint(
            "coupon_share >= 0 and points_share >= 0 and coupon_share + points_share <= quantity * unit_price",
            name="order_lines_shares",
        ),
        sa.Index("order_lines_of_order", "order_id"),
    )

    line_id: str = text(primary_key=True)
    order_id: str = text(foreign_key="store.orders.order_id")
    product_id: str = text()
    sku: str = text()
    name: dict[str, str] = record()
    quantity: int
    unit_price: int = whole()
    """As it was last shown; from the order on, the order's own (SK-07)."""
    tax_rate: int
    earns_points: bool
    admits_points: bool
    coupon_share: int = whole(default=0)
    points_share: int = whole(default=0)

    @classmethod
    def of(cls, order_id: str, line: LineView) -> Self:
        return cls.make(order_id=order_id, **line.model_dump())

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price

    def view(self) -> LineView:
        return LineView.model_validate(self.model_dump())
