"""Consents: to which version of a document, and when (ID-23)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from services.chassis.caller import Caller
from services.chassis.errors import Kind, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.identity.consents import repository
from services.identity.consents.models import DOCUMENTS, Consent, Document
from services.identity.journal import domain as journal


class ConsentMissing(RuumError):
    """Who signs up has to agree to each of the documents, once."""

    kind = Kind.INVALID
    code = "consent-missing"


class Agreement(BaseModel):
    """To which version of what somebody agrees."""

    model_config = ConfigDict(frozen=True)

    document: Document
    version: str


class GiveConsents(Command):
    consents: tuple[Agreement, ...]


class Consents(Verbs):
    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    @command
    async def give(self, work: Work, asked: GiveConsents) -> None:
        """Agrees to newer versions of documents; of each version the first time is kept."""
        await record(work, work.caller.name, asked.consents)
        await journal.note(work, "consents-given", work.caller.name, work.caller.session)

    async def of(self, caller: Caller, page: Page) -> Listed[Consent]:
        """What the member agreed to, newest first."""
        async with self.commands.database.reading() as session:
            found = await repository.of_member(session, caller.name, page)
        return page.listed(found, lambda consent: (consent.id,))


def require_all(given: Sequence[Agreement]) -> None:
    """Raises ConsentMissing unless each document is agreed to, once."""
    if sorted(each.document for each in given) != sorted(DOCUMENTS):
        raise ConsentMissing(field="consents")


async def record(work: Work, member_id: str, given: Sequence[Agreement]) -> None:
    """Keeps consents in the transaction of the command that they were given with."""
    rows = [
        Consent.make(id=new_id("con"), member_id=member_id, given_at=work.now, **each.model_dump()) for each in given
    ]
    await repository.add(work.tx, rows)
