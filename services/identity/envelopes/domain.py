"""Envelopes: a code waits sealed until the notifier has sent it, and is then destroyed (ID-05)."""

from __future__ import annotations

from dataclasses import asdict

from services.chassis.errors import Kind, NotFound, RuumError
from services.chassis.events import Event
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.sealing import Sealer
from services.identity.envelopes import repository
from services.identity.envelopes.models import Envelope, Letter


class EnvelopeGone(RuumError):
    """It was sent, a newer one took its place, or its time is over: there is nothing to send."""

    kind = Kind.REFUSED
    code = "envelope-gone"


class CodeRequested(Event):
    envelope_id: str


class CloseEnvelope(Command):
    envelope_id: str


class Envelopes(Verbs):
    def __init__(self, commands: Commands, sealer: Sealer) -> None:
        self.commands = commands
        self._sealer = sealer

    async def post(self, work: Work, flow_id: str, letter: Letter) -> None:
        """Seals a letter and tells the notifier, in the caller's transaction; an older one of the flow is not sent."""
        await self.withdraw(work, flow_id)
        envelope_id = new_id("env")
        sealed = self._sealer.seal(letter.model_dump_json().encode(), _bound_to(envelope_id))
        envelope = Envelope.make(
            id=envelope_id,
            flow_id=flow_id,
            expires_at=letter.expires_at,
            **asdict(sealed),
        )
        await repository.add(work.tx, envelope)
        work.tell(CodeRequested(aggregate_id=envelope_id, envelope_id=envelope_id))

    async def withdraw(self, work: Work, flow_id: str) -> None:
        """Destroys what waits for a flow."""
        await repository.destroy(work.tx, work.now, repository.of_flow(flow_id))

    async def open(self, envelope_id: str) -> Letter:
        """What must be sent. It can be read until it is closed, since a sender may die before it has sent.

        Raises:
            NotFound: there never was such an envelope.
            EnvelopeGone: there is nothing left to send.
        """
        async with self.commands.database.reading() as session:
            envelope = await repository.find(session, envelope_id)
        if envelope is None:
            raise NotFound(field="envelope_id")
        sealed = envelope.sealed(self.commands.clock.now())
        if sealed is None:
            raise EnvelopeGone(field="envelope_id")
        return Letter.model_validate_json(self._sealer.open(sealed, _bound_to(envelope_id)))

    @command
    async def close(self, work: Work, asked: CloseEnvelope) -> None:
        """Destroys what was sent.

        Raises:
            NotFound, EnvelopeGone: as `open`.
        """
        if await repository.destroy(work.tx, work.now, repository.by_id(asked.envelope_id)):
            return
        if await repository.find(work.tx, asked.envelope_id) is None:
            raise NotFound(field="envelope_id")
        raise EnvelopeGone(field="envelope_id")


def _bound_to(envelope_id: str) -> str:
    return f"{envelope_id}/letter"
