"""Checkouts: opened by a flow, set up by the member, frozen as the page that is confirmed (SK-17…SK-26, ST-11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import cast

from services.chassis.caller import Caller
from services.chassis.errors import AWAY, Changed, InvalidField, NotFound, Unavailable, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.jst import BusinessCalendar, jst_date
from services.store.cards.domain import Cards, Given, save
from services.store.catalogue import repository as catalogue
from services.store.checkout import repository
from services.store.checkout.models import Basket, CheckoutView, Facts, Snapshot, digest, read_recipient
from services.store.intents import repository as calls
from services.store.models import Address, Means, Orderer, Recipient, View
from services.store.orders import repository as orders
from services.store.orders.domain import OrderAlreadyPlaced, OrderBeingPlaced
from services.store.orders.models import (
    KEY_FLOW,
    KEYS_AT_MOST,
    PLACING,
    InvoiceTo,
    Order,
    OrderChanges,
    OrderLine,
    PointsChoice,
)
from services.store.ports import Balances, Orderers
from services.store.settings import Rules


class OpenKeyCheckout(Command):
    member_id: str
    room_id: str
    sku: str
    quantity: int
    address: Address


class UpdateCheckout(Command):
    """What is given is changed; what is not stays. An empty `wish_date` is no wish."""

    order_id: str
    version: int
    points_choice: PointsChoice | None = None
    points_some: int | None = None
    coupon_code: str | None = None
    means: Means | None = None
    card_id: str | None = None
    keep_card: bool | None = None
    invoice_to: InvoiceTo | None = None
    recipient: Recipient | None = None
    wish_date: str | None = None
    remarks: str | None = None


class DropCheckout(Command):
    order_id: str
    member_id: str


class TakeSnapshot(Command):
    order_id: str
    member_id: str
    flow_facts: dict[str, str]
    language: str
    address: Address


class SnapshotView(View):
    snapshot_hash: str
    content_json: str
    checkout: CheckoutView


class Checkouts(Verbs):
    """A member's open checkout. Identity and points are asked before each transaction, never in it."""

    def __init__(
        self,
        commands: Commands,
        cards: Cards,
        orderers: Orderers,
        balances: Balances,
        calendar: BusinessCalendar,
        rules: Rules,
    ) -> None:
        self.commands = commands
        self._cards = cards
        self._orderers = orderers
        self._balances = balances
        self._calendar = calendar
        self._rules = rules

    async def get(self, caller: Caller, order_id: str) -> CheckoutView:
        """A checkout as its page shows it now, with codes of what changed by itself (ST-03).

        Raises:
            NotFound: no order of this member's that is not placed.
        """
        order = await self._found(order_id, caller.name if caller.role == "member" else "")
        available = await self._available(order.member_id)
        async with self.commands.database.reading() as session:
            basket = await repository.basket(session, order, self._today(), self._rules)
        return basket.view(self._facts(basket, available))

    async def open_key(self, caller: Caller, asked: OpenKeyCheckout) -> CheckoutView:
        """Opens the member's one checkout of keys, or changes what it holds and keeps all else (SK-06, SK-17, SK-22).

        Raises:
            InvalidField: no such product, or not 1 to 10 of it.
            OrderBeingPlaced: the one that is open is being placed.
            Unavailable: the orderer's data cannot be read now.
        """
        orderer = await self._orderers.orderer(asked.member_id)
        return await self._open_key(caller, asked, orderer, await self._available(asked.member_id))

    @command
    async def _open_key(
        self, work: Work, asked: OpenKeyCheckout, orderer: Orderer, available: int | None
    ) -> CheckoutView:
        product = (await catalogue.by_sku(work.tx, [asked.sku])).get(asked.sku)
        if product is None:
            raise InvalidField(violations=[Violation("sku", "field-string-in", {})])
        if not 1 <= asked.quantity <= KEYS_AT_MOST:
            raise InvalidField(violations=[Violation("quantity", "field-int32-gte-lte", {})])
        order, notices = await self._opened(work, asked, orderer)
        line = OrderLine.make(
            line_id=new_id("lin"),
            order_id=order.order_id,
            quantity=asked.quantity,
            unit_price=product.price,
            **product.model_dump(exclude={"price", "category", "picture", "description", "means", "cancellable"}),
        )
        await orders.put_lines(work.tx, order.order_id, [line])
        basket = await repository.basket(work.tx, order, jst_date(work.now), self._rules)
        return basket.view(self._facts(basket, available), *notices)

    async def _opened(self, work: Work, asked: OpenKeyCheckout, orderer: Orderer) -> tuple[Order, list[str]]:
        """The member's open checkout, for this room from now on, and what of it is no longer as it was."""
        place: OrderChanges = {"room_id": asked.room_id, "address": asked.address.model_dump()}
        fresh = Order.make(
            order_id=new_id("ord"),
            flow=KEY_FLOW,
            member_id=asked.member_id,
            state="checkout",
            recipient=orderer.model_dump(include={"name", "kana", "phone"}),
            opened_at=work.now,
            **place,
        )
        if await orders.open_once(work.tx, fresh):
            return fresh, []
        # The member has one open, perhaps in another tab: what it holds is changed.
        known = await orders.open_key_checkout(work.tx, asked.member_id)
        if known is None:
            raise OrderBeingPlaced
        notices = ["address-changed"] if known.address != place["address"] else []
        changed = await orders.move(work.tx, known.order_id, ("checkout",), place)
        if changed is None:
            raise OrderBeingPlaced
        return changed, notices

    async def update(self, caller: Caller, asked: UpdateCheckout) -> CheckoutView:
        """Settings of an order that is not placed: points, coupon, means, recipient, wish (SK-20…SK-25).

        Raises:
            NotFound: no order of this member's that is not placed.
            OrderBeingPlaced: it is being placed.
            Changed: another tab changed it since it was read.
            InvalidField: names each choice that is not possible (PR-12).
            CardUnknown: no such card.
            Unavailable: points are wanted and the ledger is away.
        """
        await self._found(asked.order_id, caller.name)
        given = await self._cards.given(caller.name, asked.card_id) if asked.card_id else None
        return await self._update(caller, asked, given, await self._available(caller.name))

    @command
    async def _update(
        self, work: Work, asked: UpdateCheckout, given: Given | None, available: int | None
    ) -> CheckoutView:
        order = _open(await orders.get(work.tx, asked.order_id), work.caller.name)
        values = _chosen(asked)
        if given:
            values["card_id"] = (await save(work.tx, given)).card_id
        edited = await orders.edit(work.tx, order.order_id, asked.version, values)
        if edited is None:
            raise Changed
        basket = await repository.basket(work.tx, edited, jst_date(work.now), self._rules)
        facts = self._facts(basket, available)
        if available is None and asked.points_choice in {"some", "all"}:
            raise Unavailable
        # Only what this request chooses is refused; what was chosen before and has become impossible is a notice.
        touched = {*values, "points_some"} if "points_choice" in values else set(values)
        _refuse({field: code for field, code in basket.impossible(facts).items() if field in touched})
        await self._reprice(work, basket)
        return basket.view(facts)

    @command
    async def drop(self, work: Work, asked: DropCheckout) -> None:
        """The order is dropped from the cart; what its pages said of people goes with it (SK-22).

        Raises:
            NotFound: no order of this member's that is not placed.
            OrderBeingPlaced: it is being placed.
        """
        order = _open(await orders.get(work.tx, asked.order_id), asked.member_id)
        nobody: OrderChanges = {"address": {}, "recipient": {}, "remarks": "", "state": "dropped"}
        if await orders.move(work.tx, order.order_id, ("checkout",), nobody) is None:
            raise OrderBeingPlaced
        await repository.forget(work.tx, order.order_id)
        await calls.forget_cards(work.tx, order.order_id, work.now)

    async def take_snapshot(self, caller: Caller, asked: TakeSnapshot) -> SnapshotView:
        """Freezes what the confirmation page shows, with its hash (SK-26, ST-14).

        Raises:
            NotFound: no order of this member's that is not placed.
            OrderBeingPlaced: it is being placed.
            InvalidField: names each thing that is still missing or no longer possible (PR-12).
            Unavailable: the orderer's data, or points that are wanted, cannot be read now.
        """
        await self._found(asked.order_id, asked.member_id)
        orderer = await self._orderers.orderer(asked.member_id)
        return await self._take_snapshot(caller, asked, orderer, await self._available(asked.member_id))

    @command
    async def _take_snapshot(
        self, work: Work, asked: TakeSnapshot, orderer: Orderer, available: int | None
    ) -> SnapshotView:
        order = _open(await orders.get(work.tx, asked.order_id), asked.member_id)
        if available is None and order.points_choice != "none":
            raise Unavailable
        address = asked.address.model_dump()
        moved = order.address != address
        page = await orders.edit(work.tx, order.order_id, order.version, {"address": address}) if moved else order
        if page is None:
            raise Changed
        basket = await repository.basket(work.tx, page, jst_date(work.now), self._rules)
        facts = Facts(
            available=available,
            expected_dispatch_on=basket.expected_dispatch_on(self._calendar),
            orderer=orderer,
            flow_facts=asked.flow_facts,
            language=asked.language,
        )
        _refuse(basket.missing(facts))
        await self._reprice(work, basket)
        content = basket.content(facts)
        snapshot = Snapshot.make(
            order_id=order.order_id,
            snapshot_hash=digest(content),
            content=content,
            facts=facts.model_dump_json(),
            taken_at=work.now,
        )
        await repository.keep(work.tx, snapshot)
        shown = basket.view(facts, *(["address-changed"] if moved else []))
        return SnapshotView(snapshot_hash=snapshot.snapshot_hash, content_json=content, checkout=shown)

    async def _reprice(self, work: Work, basket: Basket) -> None:
        """The prices of today have been shown: a later change is measured against them (ST-03)."""
        lines = [OrderLine.of(basket.order.order_id, line) for line in basket.lines]
        await orders.put_lines(work.tx, basket.order.order_id, lines)

    def _facts(self, basket: Basket, available: int | None) -> Facts:
        return Facts(available=available, expected_dispatch_on=basket.expected_dispatch_on(self._calendar))

    async def _found(self, order_id: str, member_id: str) -> Order:
        async with self.commands.database.reading() as session:
            order = await orders.get(session, order_id)
        return _open(order, member_id)

    async def _available(self, member_id: str) -> int | None:
        """The member's points; without the ledger the page is shown without them."""
        try:
            return await self._balances.available(member_id)
        except AWAY:
            return None

    def _today(self) -> date:
        return jst_date(self.commands.clock.now())


def _open(order: Order | None, member_id: str) -> Order:
    """An order that may still be changed, of this member where one is named."""
    if order is None or (member_id and order.member_id != member_id):
        raise NotFound
    if order.state in PLACING:
        raise OrderBeingPlaced
    if order.state != "checkout":
        raise OrderAlreadyPlaced
    return order


def _chosen(asked: UpdateCheckout) -> OrderChanges:
    """What was given, as the row keeps it.

    Raises:
        InvalidField: not a telephone number, not katakana, not a date.
    """
    as_given = {"points_choice", "points_some", "means", "keep_card", "invoice_to", "remarks"}
    values = cast("OrderChanges", asked.model_dump(include=as_given, exclude_none=True))
    if asked.coupon_code is not None:
        values["coupon_code"] = asked.coupon_code.strip().upper()
    violations: dict[str, str] = {}
    if asked.wish_date is not None:
        values["wish_date"] = _day(asked.wish_date, violations)
    if asked.recipient is not None:
        values["recipient"], wrong = read_recipient(asked.recipient)
        violations |= wrong
    _refuse(violations)
    return values


def _day(iso: str, violations: dict[str, str]) -> date | None:
    try:
        return date.fromisoformat(iso) if iso else None
    except ValueError:
        violations["wish_date"] = "day-not-in-calendar"
        return None


def _refuse(violations: Mapping[str, str]) -> None:
    if violations:
        raise InvalidField(violations=[Violation(field, code, {}) for field, code in violations.items()])
