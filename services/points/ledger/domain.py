"""The ledger's own verbs: what a member has, what lapses, what a campaign hands out, and whether the books agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from ulid import ULID

from services.chassis.caller import Caller
from services.chassis.errors import InvalidField, Kind, NotFound, RuumError, Violation
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.chassis.jst import deadline, jst_date, period_end
from services.chassis.pages import Listed, Page
from services.points.ledger import repository
from services.points.ledger.models import Activity, ActivityKind, Lot, Move, Term
from services.points.ledger.repository import Posting
from services.points.settings import Rules


class DayNotOver(RuumError):
    """Points can still be spent on that day: nothing of it has lapsed (PT-11)."""

    kind = Kind.REFUSED
    code = "day-not-over"


class LastDayPassed(RuumError):
    """Limited-time points cannot be given for a time that is over (PT-06)."""

    kind = Kind.INVALID
    code = "last-day-passed"


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Lapse(View):
    """`last_day`: the last day in Japan on which the points can be spent."""

    last_day: date
    points: int


class BalanceView(View):
    """What a member has; what has lapsed counts nowhere (PT-12)."""

    available: int = 0
    held: int = 0
    pending: int = 0
    debt: int = 0
    normal: int = 0
    limited: int = 0
    lapses: tuple[Lapse, ...] = ()
    next_grant_on: date | None = None


class EntryView(View):
    """`balance_after`: the sum of the entries in `available` up to this one."""

    entry_id: str
    posted_at: datetime
    kind: str
    points: int
    lot_kind: str
    order_id: str
    campaign_id: str
    balance_after: int


class OrderPoints(View):
    """What the entries say of one order (OP-06)."""

    order_id: str
    held: int
    captured: int
    released: int
    given_back: int
    granted: int
    pending: int


class AccountSum(View):
    """Credits less debits of an account."""

    account: str
    points: int


class TrialBalance(View):
    """The books at an instant (OP-06).

    Attributes:
        differing_member_ids: members whose balance is not what their entries add up to: none, ever.
    """

    accounts: tuple[AccountSum, ...]
    differing_member_ids: tuple[str, ...] = ()

    @property
    def sum(self) -> int:
        """Zero, since each entry is a debit of one account and a credit of another."""
        return sum(account.points for account in self.accounts)


class PostExpiry(Command):
    last_day: date
    limit: int


class Posted(View):
    """`more`: there may be members whose points were not looked at yet."""

    lots: int
    points: int
    more: bool


class GrantLimited(Command):
    member_id: str
    campaign_id: str
    points: int
    last_day: date


class LotGiven(View):
    lot_id: str


class Ledger(Verbs):
    """Answers for balances and terms; holds and grants post through it."""

    def __init__(self, commands: Commands, rules: Rules) -> None:
        self.commands = commands
        self._rules = rules

    async def balance(self, caller: Caller, member_id: str) -> BalanceView:
        """A member's own balance, or for a service that of the member it names (PT-40).

        Raises:
            NotFound: a member asks for somebody else's (PR-15).
            InvalidField: a service names nobody.
        """
        whose = member_id or (caller.name if caller.role == "member" else "")
        if not whose:
            raise InvalidField(violations=[Violation("member_id", "field-required", {})])
        if caller.role == "member" and whose != caller.name:
            raise NotFound(field="member_id")
        async with self.commands.database.reading() as session:
            rows = await repository.balance(session, whose, self.commands.clock.now())
        return _balance(rows)

    async def entries(self, caller: Caller, page: Page) -> Listed[EntryView]:
        """A page of the caller's own entries, newest first (PT-40, PR-16).

        Raises:
            InvalidField: the cursor was not issued by us.
        """
        before, balance = page.after(str, int) or ("", None)
        async with self.commands.database.reading() as session:
            rows = await repository.entries(session, caller.name, _stored(before), balance, page.limit + 1)
        # The cursor carries the balance before its entry: no balance is stored with any entry, and that of now may
        # have moved since the page before was read.
        return page.listed(rows, lambda row: (_entry_id(row), row["balance_after"] - row["gained"])).map(_entry)

    @command
    async def grant_limited(self, work: Work, command: GrantLimited) -> LotGiven:
        """Gives limited-time points that can be spent to the end of a day (PT-06, PT-11).

        Raises:
            LastDayPassed: that day is over.
        """
        term = Term(command.last_day)
        if term.until <= work.now:
            raise LastDayPassed(field="last_day")
        await repository.open_member(work.tx, command.member_id)
        lot = _limited(work, command.member_id, command.points, term, campaign_id=command.campaign_id)
        await repository.add_lot(work.tx, lot)
        given = Posting(Move.GRANTED_BY_CAMPAIGN, command.points, lot.lot_id)
        await repository.post(work.tx, command.member_id, work.now, [given])
        return LotGiven(lot_id=lot.lot_id)

    @command
    async def post_expiry(self, work: Work, command: PostExpiry) -> Posted:
        """Enters what has lapsed by the end of a day, for at most `limit` members (PT-12).

        Raises:
            DayNotOver: the day is not over yet.
        """
        until = deadline(command.last_day)
        if until > work.now:
            raise DayNotOver(field="last_day")
        members = await repository.lock_lapsing(work.tx, until, command.limit)
        entered = await repository.enter_lapses(work.tx, members, until, work.now)
        more = max(len(members), entered["lots"]) >= command.limit
        return Posted(lots=entered["lots"], points=entered["points"], more=more)

    async def trial_balance(self, at: datetime | None) -> TrialBalance:
        """The sum of every account at an instant; of now also who differs, as balances are kept of now only."""
        async with self.commands.database.reading() as session:
            sums = await repository.trial_balance(session, at or self.commands.clock.now())
            differing = () if at else await repository.differing(session)
        accounts = [AccountSum.model_validate(dict(row)) for row in sums]
        return TrialBalance(accounts=tuple(accounts), differing_member_ids=tuple(differing))

    async def orders(self, order_ids: Sequence[str], page: Page) -> Listed[OrderPoints]:
        """What the entries say of these orders; by page of all that they name, oldest first, if none is given (OP-06).

        Raises:
            InvalidField: the cursor was not issued by us.
        """
        async with self.commands.database.reading() as session:
            if order_ids:
                found = Listed(await repository.of_orders(session, order_ids))
            else:
                [after] = page.after(str) or [""]
                rows = await repository.of_all_orders(session, after, page.limit + 1)
                found = page.listed(rows, lambda row: (row["order_id"],))
        return found.map(lambda row: OrderPoints.model_validate(dict(row)))

    # For holds and grants, in their transactions.

    def kept_from(self, happened_at: datetime) -> Term:
        """How long an activity keeps normal points alive (PT-10)."""
        return Term(period_end(happened_at, years=self._rules.normal_years))

    async def keep(self, work: Work, member_id: str, kind: ActivityKind, ref: str, happened_at: datetime) -> None:
        """Has all live normal points of a member live on from an activity; what has lapsed stays lapsed (PT-10)."""
        member = await repository.open_member(work.tx, member_id)
        if member["normal_until"] is not None and member["normal_until"] <= happened_at:
            await repository.enter_lapses(work.tx, [member_id], happened_at, work.now)
        term = self.kept_from(happened_at)
        activity = Activity.make(
            member_id=member_id,
            ref=ref,
            kind=kind,
            happened_at=happened_at,
            last_day=term.last_day,
            until=term.until,
        )
        await repository.keep_normal(work.tx, activity)

    async def forget(self, work: Work, member_id: str, ref: str) -> bool:
        """The activities of a cancelled order no longer count. Returns whether normal points have lapsed by that."""
        await repository.open_member(work.tx, member_id)
        yesterday = Term(jst_date(work.now) - timedelta(days=1))
        return await repository.forget_activities(work.tx, member_id, ref, work.now, yesterday)

    async def reissue(self, work: Work, member_id: str, order_id: str, returned: Mapping[str, int]) -> int:
        """Issues again, for `reissue_days`, what has lapsed of points that came back (PT-25). Returns how many."""
        lapsed = await repository.lapsed_among(work.tx, returned, work.now)
        total = sum(lapsed.values())
        if total:
            term = Term(period_end(work.now, days=self._rules.reissue_days))
            lot = _limited(work, member_id, total, term, order_id=order_id)
            await repository.add_lot(work.tx, lot)
            postings = [Posting(Move.LAPSED, points, lot_id, order_id) for lot_id, points in lapsed.items()]
            postings.append(Posting(Move.REISSUED, total, lot.lot_id, order_id))
            await repository.post(work.tx, member_id, work.now, postings)
        return total


def _limited(
    work: Work, member_id: str, points: int, term: Term, *, order_id: str | None = None, campaign_id: str | None = None
) -> Lot:
    return Lot.make(
        lot_id=new_id("lot"),
        member_id=member_id,
        kind="limited",
        points=points,
        order_id=order_id,
        campaign_id=campaign_id,
        last_day=term.last_day,
        expires_at=term.until,
        granted_at=work.now,
    )


def _balance(rows: Sequence[repository.Row]) -> BalanceView:
    if not rows:
        return BalanceView()
    live = [row for row in rows if row["points"]]
    by_day: dict[date, int] = {}
    for row in live:
        by_day[row["last_day"]] = by_day.get(row["last_day"], 0) + row["points"]
    return BalanceView(
        available=sum(by_day.values()),
        held=rows[0]["held"],
        pending=rows[0]["pending"],
        debt=rows[0]["debt"],
        normal=sum(row["points"] for row in live if row["kind"] == "normal"),
        limited=sum(row["points"] for row in live if row["kind"] == "limited"),
        lapses=tuple(Lapse(last_day=day, points=points) for day, points in by_day.items()),
        next_grant_on=rows[0]["next_grant_on"],
    )


def _entry(row: repository.Row) -> EntryView:
    return EntryView.model_validate({**row, "entry_id": _entry_id(row)})


def _entry_id(row: repository.Row) -> str:
    return f"ent_{ULID.from_uuid(row['entry_id'])}".lower()


def _stored(entry_id: str) -> UUID | None:
    """The entry's id as the database made it; nothing of none."""
    return ULID.from_str(entry_id[-26:].upper()).to_uuid() if entry_id else None
