"""Accounts: one an address (ID-01)."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy.exc import IntegrityError

from services.chassis.db import violated
from services.chassis.events import Event
from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.identity.addresses.models import Address
from services.identity.members import repository
from services.identity.members.models import Member, ProvedAddress


class AddressTaken(Exception):
    """The address got an account after its code was sent; no answer of ours may say so (ID-06)."""


class OfMember(Event):
    """Parent: a fact about one member, in the order of the member's facts."""

    @classmethod
    def of(cls, member_id: str, **more: Any) -> Self:
        return cls(aggregate_id=member_id, member_id=member_id, **more)


class MemberSignedUp(OfMember):
    pass


async def create(work: Work, address: Address, password_hash: str) -> str:
    """Makes an account in the transaction that proved the address; gives its member's id.

    Raises:
        AddressTaken: there is one; the transaction must not be committed.
    """
    member = Member.make(id=new_id("mem"), password_hash=password_hash, signed_up_at=work.now)
    proved = ProvedAddress.make(address=address.value, channel=address.channel, member_id=member.id, proved_at=work.now)
    try:
        await repository.add(work.tx, member, proved)
    except IntegrityError as refused:
        if violated(refused) == repository.ADDRESS_TAKEN:
            raise AddressTaken from refused
        raise
    work.tell(MemberSignedUp.of(member.id))
    return member.id
