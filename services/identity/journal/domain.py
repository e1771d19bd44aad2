"""The security log: one line per happening, for the member to read (ID-26)."""

from __future__ import annotations

from services.chassis.caller import Caller
from services.chassis.db import Database
from services.chassis.idempotency import Work
from services.chassis.ids import new_id
from services.chassis.pages import Listed, Page
from services.identity.journal import repository
from services.identity.journal.models import Entry, Happening


async def note(work: Work, happening: Happening, member_id: str | None, session_id: str = "") -> None:
    """Writes a line in the transaction of what it tells."""
    entry = Entry.make(id=new_id("sec"), member_id=member_id, happening=happening, session_id=session_id, at=work.now)
    await repository.add(work.tx, entry)


class Journal:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, caller: Caller, page: Page) -> Listed[Entry]:
        """The member's own log, newest first (PR-16)."""
        async with self._database.reading() as session:
            found = await repository.of_member(session, caller.name, page)
        return page.listed(found, lambda entry: (entry.id,))
