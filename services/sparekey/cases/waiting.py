"""What a state waits for, and until when: deadlines of rules, reminders before them, patience with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.chassis.jst import BusinessCalendar, deadline, jst_date, period_end, start_of_day
from services.sparekey.cases.models import Case
from services.sparekey.cases.transitions import State
from services.sparekey.settings import Rules

HELD, STORED = "held-at-post", "storage-ends"

SILENT = "no-word-while"
"""How the reason begins for which an operator is called when a partner's patience is over (OP-06)."""

NOTHING: Mapping[str, Any] = {
    "deadline": None,
    "patience_until": None,
    "remind_at": None,
    "reminder": "",
    "reminder_days": 0,
    "needs_operator": "",
    "look_due": False,
}
"""What a case waits for when it enters a state that waits for nothing."""


class Waiting:
    """Counts by the rules and the company's calendar; each answer is a set of the case's columns."""

    def __init__(self, rules: Rules, calendar: BusinessCalendar) -> None:
        self.rules = rules
        self._calendar = calendar

    def silence(self, now: datetime, business_days: int) -> dict[str, Any]:
        """Patience with a partner, in business days from today."""
        return {"patience_until": deadline(self._calendar.add_business_days(jst_date(now), business_days))}

    def promise(self, now: datetime) -> date:
        """The day until which dispatch is promised (SK-28)."""
        return self._calendar.add_business_days(jst_date(now), self.rules.dispatch_business_days)

    def for_maker(self, now: datetime) -> dict[str, Any]:
        """Until the maker has taken what it was asked, or has looked a number up (SK-15)."""
        return self.silence(now, self.rules.maker_business_days)

    def for_number(self, mailed_at: datetime) -> datetime:
        """End of the time for a correct number, from the day of the maker's mail (SK-13)."""
        return deadline(period_end(mailed_at, weeks=self.rules.number_weeks))

    def for_making(self, promised_on: date | None, now: datetime) -> dict[str, Any]:
        """Until the promised day, or, when that has passed, as long as a fresh promise (SK-28)."""
        last = promised_on if promised_on and promised_on >= jst_date(now) else self.promise(now)
        return {"patience_until": deadline(last)}

    def for_scan(self, since: datetime) -> dict[str, Any]:
        """Until a parcel that nobody scans is asked after (SK-41)."""
        return {"patience_until": deadline(period_end(since, days=self.rules.scan_days))}

    def leaves_at(self, wish_date: date) -> datetime:
        """When a key has to leave to arrive on the day wished for (SK-25)."""
        return start_of_day(wish_date - timedelta(days=self.rules.transit_days))

    def wishes(self, now: datetime) -> list[date]:
        """Days that may be wished for when the first wish has passed (SK-25)."""
        first = jst_date(now) + timedelta(days=self.rules.transit_days + 1)
        return [first + timedelta(days=offset) for offset in range(self.rules.wish_days)]

    def for_wish(self, now: datetime) -> dict[str, Any]:
        return {"deadline": self.silence(now, self.rules.wish_business_days)["patience_until"]}

    def held(self, absent_since: datetime, now: datetime) -> dict[str, Any]:
        """The hold after an absence, its reminders, and patience after it (SK-32)."""
        last_day = period_end(absent_since, days=self.rules.hold_days)
        day = jst_date(absent_since)
        reminders = [(day + timedelta(days=after), after) for after in self.rules.hold_reminders]
        patience = deadline(period_end(last_day, days=self.rules.hold_overdue_days))
        return {
            "deadline": deadline(last_day) if now < deadline(last_day) else None,
            "patience_until": patience,
        } | self._reminder(HELD, reminders, now)

    def stored(self, returned_on: date, noticed_on: date, now: datetime) -> dict[str, Any]:
        """The month at the maker and its reminders (SK-34).

        Args:
            returned_on: the maker's day of return, which counts.
            noticed_on: when we told the member.
            now: reminders before it are left out.
        """
        month = period_end(returned_on, months=self.rules.storage_months, first_day_counts=True)
        last_day = max(month, period_end(noticed_on, days=self.rules.storage_notice_days))
        reminders = [(last_day - timedelta(days=before), before) for before in self.rules.storage_reminders]
        return {"deadline": deadline(last_day)} | self._reminder(STORED, reminders, now)

    def after_reminder(self, case: Case, now: datetime) -> dict[str, Any]:
        """The reminder that follows the one just given."""
        if case.reminder == HELD and case.absent_since:
            held = self.held(case.absent_since, now)
            return {name: held[name] for name in ("remind_at", "reminder", "reminder_days")}
        if case.reminder == STORED and case.deadline:
            last_day = jst_date(case.deadline - timedelta(microseconds=1))
            reminders = [(last_day - timedelta(days=before), before) for before in self.rules.storage_reminders]
            return self._reminder(STORED, reminders, now)
        return {"remind_at": None, "reminder": "", "reminder_days": 0}

    def _reminder(self, reminder: str, days: Sequence[tuple[date, int]], now: datetime) -> dict[str, Any]:
        """The next of these reminders after `now`, in the morning in Japan."""
        morning = timedelta(hours=self.rules.reminder_hour)
        ahead = [(start_of_day(day) + morning, said) for day, said in days if start_of_day(day) + morning > now]
        if not ahead:
            return {"remind_at": None, "reminder": "", "reminder_days": 0}
        at, said = min(ahead)
        return {"remind_at": at.astimezone(UTC), "reminder": reminder, "reminder_days": said}


PATIENT: frozenset[State] = frozenset(
    {
        State.CHECKING,
        State.MAKING,
        State.CLEARED,
        State.RELEASED,
        State.DISPATCHED,
        State.ABSENT,
        State.REDELIVERING,
    }
)
"""States in which a partner or the payer has to act, and an operator is called when they do not (OP-06)."""
