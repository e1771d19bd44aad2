"""What a state waits for, and until when: deadlines of rules, reminders before them, patience with others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from services.chassis.jst import BusinessCalendar, deadline, jst_date, last_day_of, period_end, start_of_day
from services.sparekey.cases.asked import asked
from services.sparekey.cases.events import OfOrder
from services.sparekey.cases.models import Case, Columns
from services.sparekey.cases.transitions import State
from services.sparekey.settings import Rules


class Reminder(StrEnum):
    """Of what a member is reminded: a line of the order's page, and a letter."""

    HELD = "held-at-post"
    STORED = "storage-ends"


SILENT = "no-word-while"
"""How the reason begins for which an operator is called when a partner's patience is over (OP-06)."""

_NO_REMINDER: Columns = {"remind_at": None, "reminder": "", "reminder_days": 0}
NOTHING: Columns = {
    "deadline": None,
    "patience_until": None,
    **_NO_REMINDER,
    "needs_operator": "",
    "look_due": False,
}
"""What a case waits for when it enters a state that waits for nothing."""


class Waiting:
    """Counts by the rules and the company's calendar; each answer is what to set of the case."""

    def __init__(self, rules: Rules, calendar: BusinessCalendar) -> None:
        self.rules = rules
        self._calendar = calendar

    def asked(self, case: Case) -> OfOrder:
        """What its member hears when a case comes to wait for them."""
        return asked(self.rules, case)

    def silence(self, now: datetime, business_days: int) -> Columns:
        """Patience with a partner, in business days from today."""
        return {"patience_until": deadline(self._calendar.add_business_days(jst_date(now), business_days))}

    def promise(self, now: datetime) -> date:
        """The day until which dispatch is promised (SK-28)."""
        return self._calendar.add_business_days(jst_date(now), self.rules.dispatch_business_days)

    def for_maker(self, now: datetime) -> Columns:
        """Until the maker has taken what it was asked, or has looked a number up (SK-15)."""
        return self.silence(now, self.rules.maker_business_days)

    def for_number(self, mailed_at: datetime) -> datetime:
        """End of the time for a correct number, from the day of the maker's mail (SK-13)."""
        return deadline(period_end(mailed_at, weeks=self.rules.number_weeks))

    def for_making(self, promised_on: date | None, now: datetime) -> Columns:
        """Until the promised day, or, when that has passed, as long as a fresh promise (SK-28)."""
        # A promise that was broken already would call an operator at once.
        last = promised_on if promised_on and promised_on >= jst_date(now) else self.promise(now)
        return {"patience_until": deadline(last)}

    def for_scan(self, since: datetime) -> Columns:
        """Until a parcel that nobody scans is asked after (SK-41)."""
        return {"patience_until": deadline(period_end(since, days=self.rules.scan_days))}

    def leaves_at(self, wish_date: date) -> datetime:
        """When a key has to leave to arrive on the day wished for (SK-25)."""
        return start_of_day(wish_date - timedelta(days=self.rules.transit_days))

    def wishes(self, now: datetime) -> list[date]:
        """Days that may be wished for when the first wish has passed (SK-25)."""
        first = jst_date(now) + timedelta(days=self.rules.transit_days + 1)
        return [first + timedelta(days=offset) for offset in range(self.rules.wish_days)]

    def for_wish(self, now: datetime) -> Columns:
        return {"deadline": self.silence(now, self.rules.wish_business_days)["patience_until"]}

    def held(self, absent_since: datetime, now: datetime) -> Columns:
        """The hold after an absence, its reminders, and patience after it (SK-32)."""
        last_day = period_end(absent_since, days=self.rules.hold_days)
        patience = deadline(period_end(last_day, days=self.rules.hold_overdue_days))
        return {
            "deadline": deadline(last_day) if now < deadline(last_day) else None,
            "patience_until": patience,
            **self._hold_reminder(jst_date(absent_since), now),
        }

    def stored(self, returned_on: date, noticed_on: date, now: datetime) -> Columns:
        """The month at the maker and its reminders (SK-34).

        Args:
            returned_on: the maker's day of return, which counts.
            noticed_on: when we told the member.
            now: reminders before it are left out.
        """
        month = period_end(returned_on, months=self.rules.storage_months, first_day_counts=True)
        last_day = max(month, period_end(noticed_on, days=self.rules.storage_notice_days))
        return {"deadline": deadline(last_day), **self._storage_reminder(last_day, now)}

    def after_reminder(self, case: Case, now: datetime) -> Columns:
        """The reminder that follows the one just given."""
        if case.reminder == Reminder.HELD and case.absent_since:
            return self._hold_reminder(jst_date(case.absent_since), now)
        if case.reminder == Reminder.STORED and case.deadline:
            return self._storage_reminder(last_day_of(case.deadline), now)
        return _NO_REMINDER

    def _hold_reminder(self, absent_on: date, now: datetime) -> Columns:
        days = ((absent_on + timedelta(days=after), after) for after in self.rules.hold_reminders)
        return self._reminder(Reminder.HELD, days, now)

    def _storage_reminder(self, last_day: date, now: datetime) -> Columns:
        days = ((last_day - timedelta(days=before), before) for before in self.rules.storage_reminders)
        return self._reminder(Reminder.STORED, days, now)

    def _reminder(self, reminder: Reminder, days: Iterable[tuple[date, int]], now: datetime) -> Columns:
        """The next of these reminders after `now`, in the morning in Japan."""
        morning = timedelta(hours=self.rules.reminder_hour)
        ahead = [(start_of_day(day) + morning, said) for day, said in days if start_of_day(day) + morning > now]
        if not ahead:
            return _NO_REMINDER
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
