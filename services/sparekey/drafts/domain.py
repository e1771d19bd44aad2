"""Before ordering: what may be ordered, the one draft, and its key number (SK-01…SK-11, SK-16, SK-17, SK-22)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.chassis.caller import Caller
from services.chassis.errors import InvalidField, Kind, NotFound, RuumError, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.sparekey.cases import models, repository
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import State
from services.sparekey.drafts import before_ordering
from services.sparekey.drafts import repository as drafts
from services.sparekey.numbers.domain import Vault
from services.sparekey.numbers.models import ERASED, KeyNumber
from services.sparekey.ports import Address, Checkout, Permission, Product, Rooms, Store
from services.sparekey.settings import Rules


class NoticesNotAgreed(RuumError):
    """Without the agreement to the notices there is no order (SK-08)."""

    kind = Kind.REFUSED
    code = "key-notices-not-agreed"


class NoticesOutdated(RuumError):
    """The notices have changed since they were read: they are to be read again (SK-08)."""

    kind = Kind.REFUSED
    code = "key-notices-outdated"


class ETouchNotAcknowledged(RuumError):
    """The building has no e-touch reader: the auto-lock will not open, which has to be accepted expressly (SK-04)."""

    kind = Kind.REFUSED
    code = "key-e-touch-not-acknowledged"


class OrderBeingPlaced(RuumError):
    """The order is being placed or was placed: it is no longer a draft (PO-13)."""

    kind = Kind.REFUSED
    code = "key-order-being-placed"


class DraftChanged(RuumError):
    """The draft was changed elsewhere at the same moment."""

    kind = Kind.CHANGED
    code = "key-draft-changed"


class StartOrder(Command):
    room_id: str
    kind: models.Kind
    quantity: int
    notices_version: str
    notices_language: str
    notices_agreed: bool
    no_e_touch_acknowledged: bool


class EnterKeyNumber(Command):
    order_id: str
    key_number: str


class DropOrder(Command):
    order_id: str


@dataclass(frozen=True)
class KindOption:
    """A kind of key for a room.

    Attributes:
        product: the store's own message, passed on as it is.
        needs_acknowledgement: that the auto-lock will not open (SK-04).
        shows_building_large: the key is programmed for a building, and the member has several rooms (SK-16).
    """

    kind: models.Kind
    product: Any
    needs_acknowledgement: bool
    shows_building_large: bool

    @property
    def guide(self) -> Sequence[str]:
        return before_ordering.GUIDE_OF[self.kind]

    @property
    def notices(self) -> Sequence[str]:
        return before_ordering.NOTICES_OF[self.kind]


@dataclass(frozen=True)
class RoomOption:
    """What can be ordered for a room now; `refusal` is the code of why nothing can."""

    room_id: str
    building_name: str
    room_number: str
    address: Address
    e_touch: bool
    kinds: Sequence[KindOption]
    refusal: str


@dataclass(frozen=True)
class Options:
    """What may be ordered, and what is read before: codes of texts, and what these speak of (SK-08, SK-09)."""

    rooms: Sequence[RoomOption]
    notices_version: str
    quantity_max: int
    guide: Sequence[str]
    notices: Sequence[str]
    params: Mapping[str, str]


@dataclass(frozen=True)
class Draft:
    case: Case
    number: KeyNumber | None
    checkout: Checkout

    @property
    def key_number_entered(self) -> bool:
        return self.case.number_id is not None

    @property
    def key_number_masked(self) -> str:
        """Empty before it is entered."""
        if self.number:
            return self.number.masked
        return ERASED if self.key_number_entered else ""

    @property
    def look_alikes(self) -> Sequence[int]:
        """As of `KeyNumber`."""
        return self.number.look_alikes if self.number else ()


def derived(request_id: str, caller: Caller, step: str) -> str:
    """A request id for a neighbour: the same whenever a caller repeats the request, another for each caller."""
    return hashlib.sha256(f"{step}\0{caller.principal}\0{request_id}".encode()).hexdigest()


class Drafts(Verbs):
    """The member's one draft; the store keeps all that is not about the key (SK-17)."""

    def __init__(self, commands: Commands, vault: Vault, rooms: Rooms, store: Store, rules: Rules) -> None:
        self.commands = commands
        self._vault = vault
        self._rooms = rooms
        self._store = store
        self._rules = rules

    async def options(self, caller: Caller, room_ids: Sequence[str]) -> Options:
        """What may be ordered for these rooms of the member's (SK-01…SK-05). Others' rooms are left out (PR-15)."""
        answers, keys = await asyncio.gather(
            asyncio.gather(*(self._rooms.may_order_keys(caller.name, room_id) for room_id in room_ids)),
            self._store.keys(),
        )
        asked = zip(room_ids, answers, strict=True)
        theirs = [(room_id, permission) for room_id, permission in asked if permission.refusal != "not-registered"]
        rooms = [_room(room_id, permission, keys, several=len(theirs) > 1) for room_id, permission in theirs]
        return Options(
            rooms=rooms,
            notices_version=self._rules.notices_version,
            quantity_max=self._rules.key_quantity_max,
            guide=before_ordering.GUIDE,
            notices=before_ordering.NOTICES,
            params=before_ordering.figures(self._rules),
        )

    async def start(self, caller: Caller, asked: StartOrder) -> Draft:
        """Puts one kind of key for one room into the cart, or changes what is there; a number stays for its room.

        Raises:
            InvalidField: the quantity (SK-06).
            NoticesNotAgreed, NoticesOutdated, ETouchNotAcknowledged: first things first (SK-04, SK-08).
            RoomRefuses: no keys for this member and room (SK-01, SK-05).
            OrderBeingPlaced: the member's draft is being placed.
        """
        if not 1 <= asked.quantity <= self._rules.key_quantity_max:
            most = self._rules.key_quantity_max
            raise InvalidField(
                field="quantity", violations=[Violation("quantity", "key-quantity-out-of-range", {"most": most})]
            )
        if not asked.notices_agreed:
            raise NoticesNotAgreed(field="notices_agreed")
        if asked.notices_version != self._rules.notices_version:
            raise NoticesOutdated(field="notices_version")
        permission = (await self._rooms.may_order_keys(caller.name, asked.room_id)).needed()
        if asked.kind is models.Kind.IC and not permission.e_touch and not asked.no_e_touch_acknowledged:
            raise ETouchNotAcknowledged(field="no_e_touch_acknowledged")
        # The store first: it names the order, and gives the same one however often this request is repeated.
        checkout = await self._store.open_checkout(
            derived(asked.request_id, caller, "start"),
            caller.name,
            asked.room_id,
            asked.kind.sku,
            asked.quantity,
            permission.address,
        )
        await self._put(caller, asked, permission, checkout.order_id)
        return await self._draft(caller, checkout.order_id, checkout)

    @command
    async def _put(self, work: Work, asked: StartOrder, permission: Permission, order_id: str) -> None:
        before = await repository.get(work.tx, order_id)
        moved_out = before.number_id if before and before.room_id != asked.room_id else None
        acknowledged = asked.kind is models.Kind.IC and not permission.e_touch
        values: Columns = {
            "room_id": asked.room_id,
            "kind": asked.kind,
            "quantity": asked.quantity,
            **place_of(permission),
            "notices_version": asked.notices_version,
            "notices_language": asked.notices_language,
            "notices_agreed_at": work.now,
            "no_e_touch_agreed_at": work.now if acknowledged else None,
            "snapshot_hash": "",
            "touched_at": work.now,
        }
        if moved_out:
            values["number_id"] = None
        draft = Case.make(order_id=order_id, member_id=work.caller.name, entered_at=work.now, **values)
        if not await drafts.put_draft(work.tx, draft, values):
            raise OrderBeingPlaced
        await self._vault.drop(work.tx, moved_out)

    async def enter_number(self, caller: Caller, asked: EnterKeyNumber) -> Draft:
        """Takes the number engraved on the blue key (SK-10, SK-12).

        Raises:
            KeyNumberMalformed: it is none.
            NotFound: no such draft of the caller's.
            OrderBeingPlaced, DraftChanged: it can no longer be changed, or was changed meanwhile.
        """
        number = KeyNumber.read(asked.key_number)
        await self.own(caller, asked.order_id)
        await self._enter(caller, asked, number)
        return await self.get(caller, asked.order_id)

    @command
    async def _enter(self, work: Work, asked: EnterKeyNumber, number: KeyNumber) -> None:
        case = own_draft(await repository.found(work.tx, asked.order_id), work.caller)
        before = case.number_id
        number_id = await self._vault.keep(work, asked.order_id, number, "member")
        entered: Columns = {"number_id": number_id, "snapshot_hash": "", "touched_at": work.now}
        if not await drafts.edit_draft(work.tx, case, entered):
            raise DraftChanged
        await self._vault.drop(work.tx, before)

    async def get(self, caller: Caller, order_id: str) -> Draft:
        """The draft with the store's part of it.

        Raises:
            NotFound, OrderBeingPlaced: as `enter_number`.
        """
        await self.own(caller, order_id)
        return await self._draft(caller, order_id, await self._store.checkout(order_id))

    async def drop(self, caller: Caller, asked: DropOrder) -> None:
        """Drops the draft from the cart, with its number (SK-22).

        Raises:
            OrderBeingPlaced: it is no longer a draft.
        """
        async with self.commands.database.reading() as session:
            case = await repository.get(session, asked.order_id)
        # Nothing: it was dropped before, perhaps by this very request, and the store may not have heard of it.
        if case is not None:
            own_draft(case, caller)
        await self._delete(caller, asked)
        await self._store.drop_checkout(derived(asked.request_id, caller, "drop"), asked.order_id, caller.name)

    @command
    async def _delete(self, work: Work, asked: DropOrder) -> None:
        if not await drafts.delete_draft(work.tx, asked.order_id, work.caller.name):
            raise NotFound

    async def own(self, caller: Caller, order_id: str) -> Case:
        """A draft of the caller's.

        Raises:
            NotFound, OrderBeingPlaced: as `enter_number`.
        """
        return own_draft(await repository.read(self.commands.database, order_id), caller)

    async def _draft(self, caller: Caller, order_id: str, checkout: Checkout) -> Draft:
        async with self.commands.database.reading() as session:
            case = own_draft(await repository.found(session, order_id), caller)
            number = await self._vault.open(session, case.number_id)
        return Draft(case, number, checkout)


def own_draft(case: Case, caller: Caller) -> Case:
    """A member's own draft.

    Raises:
        NotFound: it is another's (PR-15).
        OrderBeingPlaced: it is no longer one.
    """
    if case.own(caller.name).state != State.DRAFT:
        raise OrderBeingPlaced
    return case


def place_of(permission: Permission) -> Columns:
    """Where the keys are for, as the lease says it now."""
    return {
        "building_code": permission.building_code,
        "building_name": permission.building_name,
        "room_number": permission.room_number,
        "e_touch": permission.e_touch,
        "lease_version": permission.lease_version,
    }


def _room(room_id: str, permission: Permission, keys: Sequence[Product], *, several: bool) -> RoomOption:
    kinds = [
        KindOption(
            kind,
            product.shown,
            needs_acknowledgement=kind is models.Kind.IC and not permission.e_touch,
            shows_building_large=kind is models.Kind.IC and several,
        )
        for product in keys
        for kind in models.Kind
        if kind.sku == product.sku
    ]
    return RoomOption(
        room_id=room_id,
        building_name=permission.building_name,
        room_number=permission.room_number,
        address=permission.address,
        e_touch=permission.e_touch,
        kinds=kinds if permission.allowed else [],
        refusal="" if permission.allowed else permission.refused.code,
    )
