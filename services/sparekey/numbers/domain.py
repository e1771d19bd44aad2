"""The vault of key numbers: sealed one by one for their orders, opened for few, erased in time (SK-12)."""

from __future__ import annotations

import os
from datetime import timedelta

import structlog
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.caller import Caller
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.sealing import MasterKeys, SealBrokenError, Sealer, keyed_digest
from services.sparekey.numbers import repository
from services.sparekey.numbers.models import ERASED, KeyNumber, SealedNumber, Source

_log = structlog.get_logger()

_SALT_BYTES = 32
_REWRAPPED_AT_ONCE = 500


class EraseKeyNumbers(Command):
    pass


class Erased(BaseModel):
    erased: int


class Vault(Verbs):
    """Seals and opens numbers.

    With each number its own salt is sealed: the digest that a snapshot carries is keyed by it, so that it says
    nothing once the number is erased (SK-26).
    """

    def __init__(self, commands: Commands, master_keys: MasterKeys, kept_days: int) -> None:
        self.commands = commands
        self._master_keys = master_keys
        self._sealer = Sealer(master_keys)
        self._kept = timedelta(days=kept_days)

    async def keep(self, work: Work, order_id: str, number: KeyNumber, source: Source) -> str:
        """Seals a number for its order. Returns its id."""
        sealed = self._sealer.seal(os.urandom(_SALT_BYTES) + number.plain.encode(), order_id)
        kept = SealedNumber.make(
            number_id=new_id("key"),
            order_id=order_id,
            source=source,
            entered_at=work.now,
            key_id=sealed.key_id,
            wrapped_key=sealed.wrapped_key,
            nonce=sealed.nonce,
            ciphertext=sealed.ciphertext,
        )
        await repository.keep(work.tx, kept)
        return kept.number_id

    async def drop(self, tx: AsyncSession, number_id: str | None) -> None:
        """Deletes a number that was never ordered by."""
        if number_id:
            await repository.drop(tx, number_id)

    async def open(self, session: AsyncSession, number_id: str | None) -> KeyNumber | None:
        """The number, or nothing when there is none or none any more."""
        found = (await repository.find(session, [number_id])).get(number_id) if number_id else None
        return self._number(found)

    def mask(self, row: SealedNumber | None) -> str:
        """What may be shown of a number."""
        number = self._number(row)
        return number.masked if number else ERASED

    async def digest(self, session: AsyncSession, number_id: str) -> str:
        """A digest by which the number can be compared as long as it is not erased (SK-26)."""
        row = (await repository.find(session, [number_id])).get(number_id)
        if row is None or row.sealed is None:
            return ""
        content = self._sealer.open(row.sealed, row.order_id)
        return keyed_digest(content[_SALT_BYTES:].decode(), content[:_SALT_BYTES], "snapshot")

    def _number(self, row: SealedNumber | None) -> KeyNumber | None:
        if row is None or row.sealed is None:
            return None
        return KeyNumber(self._sealer.open(row.sealed, row.order_id)[_SALT_BYTES:].decode())

    async def erase(self, caller: Caller, asked: EraseKeyNumbers) -> Erased:
        """Erases numbers whose order ended, or whose draft lay untouched, long enough ago (SK-12).

        What lives on is wrapped by the current master key, so that an old one can be taken away.
        """
        erased = await self._erase(caller, asked)
        await self.commands.database.transact(self._rewrap)
        return erased

    @command
    async def _erase(self, work: Work, asked: EraseKeyNumbers) -> Erased:  # noqa: ARG002  # it says only when
        before = work.now - self._kept
        erased = await repository.erase(work.tx, before, work.now)
        await repository.forget_contents(work.tx, before)
        return Erased(erased=erased)

    async def _rewrap(self, tx: AsyncSession) -> None:
        for row in await repository.under_old_keys(tx, self._master_keys.current, _REWRAPPED_AT_ONCE):
            if row.sealed is None:
                continue
            try:
                await repository.rewrap(tx, row.number_id, self._sealer.rewrap(row.sealed))
            except SealBrokenError:
                _log.exception("key number cannot be opened", order_id=row.order_id)
