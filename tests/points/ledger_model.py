"""The points program in plain Python and in memory: what the ledger is compared with (QA-01).

It keeps lists and counts them anew for each answer; nothing is taken over from the service but its calendar.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from services.chassis.jst import deadline, jst_date, period_end

CLAIM_DAYS, PRESUMED_DAYS, YEN_PER_POINT, YEARS, REISSUE_DAYS = 10, 14, 100, 2, 30


class Refused(Exception):  # named as in the service: for what happened
    """What the ledger must answer: the code of the refusal, and what it tells."""

    def __init__(self, code: str, **params: int) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass
class Lot:
    number: int
    last_day: date | None = None  # of a limited-time lot
    left: int = 0
    lapsed: int = 0
    reversed: int = 0
    owed: int = 0


@dataclass
class Part:
    points: int
    taken: list[tuple[Lot, int]]  # in the order of taking
    state: str = "held"
    back: dict[int, int] = field(default_factory=dict)  # by lot
    our_fault: bool = False


@dataclass
class Hold:
    """Without parts: released before it came."""

    member: Member | None
    at: datetime
    parts: dict[str, Part]


@dataclass
class Grant:
    member: Member
    points: int
    state: str = "pending"
    reversed: int = 0
    dispatched: datetime | None = None
    delivered: datetime | None = None
    astray: bool = False
    closed: bool = False
    due: datetime | None = None
    lot: Lot | None = None

    def wait(self) -> None:
        """The last word counts: what left after it arrived is on its way again."""
        if self.closed:
            return
        if self.delivered and self.delivered >= (self.dispatched or self.delivered):
            self.due = deadline(period_end(self.delivered, days=CLAIM_DAYS))
        elif self.dispatched and not self.astray:
            arrival = period_end(self.dispatched, days=PRESUMED_DAYS)
            self.due = deadline(period_end(arrival, days=CLAIM_DAYS))
        else:
            self.due = None


@dataclass
class Activity:
    what: str
    last_day: date
    counts: bool = True


class Member:
    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.activities: list[Activity] = []
        self.debt = 0

    def new_lot(self, points: int, last_day: date | None = None) -> Lot:
        self.lots.append(Lot(len(self.lots), last_day, points))
        return self.lots[-1]

    def normal_end(self) -> datetime | None:
        days = [activity.last_day for activity in self.activities if activity.counts]
        return deadline(max(days)) if days else None

    def lives(self, lot: Lot, now: datetime) -> bool:
        end = deadline(lot.last_day) if lot.last_day else self.normal_end()
        return end is not None and now < end

    def live(self, now: datetime) -> list[Lot]:
        """What can be spent, in the order of spending."""
        lots = [lot for lot in self.lots if lot.left and self.lives(lot, now)]
        return sorted(lots, key=lambda lot: (lot.last_day is None, lot.last_day or date.min, lot.number))

    def bury(self, at: datetime) -> None:
        """What has lapsed by then never lives again."""
        for lot in self.lots:
            if not self.lives(lot, at):
                lot.lapsed += lot.left
                lot.left = 0

    def act(self, what: str, at: datetime) -> None:
        end = self.normal_end()
        if self.activities and (end is None or end <= at):
            self.bury(at)
        if all(activity.what != what for activity in self.activities):
            self.activities.append(Activity(what, period_end(at, years=YEARS)))

    def take(self, points: int, now: datetime) -> list[tuple[Lot, int]]:
        taken = []
        for lot in self.live(now):
            share = min(points, lot.left)
            if share:
                lot.left -= share
                taken.append((lot, share))
                points -= share
        return taken

    def reissue(self, back: Iterable[tuple[Lot, int]], now: datetime) -> int:
        total = 0
        for lot, points in back:
            if not self.lives(lot, now):
                again = min(points, lot.left)
                lot.left -= again
                lot.lapsed += again
                total += again
        if total:
            self.new_lot(total, period_end(now, days=REISSUE_DAYS))
        return total


class Program:
    """All members and orders; each verb does what the service's does, or raises `Refused`."""

    def __init__(self, members: Iterable[str]) -> None:
        self.members = {name: Member() for name in members}
        self.holds: dict[tuple[str, int], Hold] = {}
        self.grants: dict[str, Grant] = {}

    # Answers.

    def balance(self, name: str, now: datetime) -> dict[str, object]:
        member = self.members[name]
        live = member.live(now)
        ends: dict[date, int] = {}
        for lot in live:
            end = member.normal_end()
            day = lot.last_day or jst_date(end - timedelta(seconds=1)) if end else lot.last_day
            assert day is not None
            ends[day] = ends.get(day, 0) + lot.left
        waiting = [grant for grant in self.grants.values() if grant.member is member and grant.state == "pending"]
        held = [hold for hold in self.holds.values() if hold.member is member]
        return {
            "available": sum(lot.left for lot in live),
            "held": sum(part.points for hold in held for part in hold.parts.values() if part.state == "held"),
            "pending": sum(grant.points for grant in waiting),
            "debt": member.debt,
            "normal": sum(lot.left for lot in live if lot.last_day is None),
            "limited": sum(lot.left for lot in live if lot.last_day is not None),
            "lapses": sorted(ends.items()),
            "next_grant_on": min((jst_date(grant.due) for grant in waiting if grant.due), default=None),
        }

    # Holds.

    def hold(self, name: str, order: str, attempt: int, parts: dict[str, int], now: datetime) -> None:
        there = self.holds.get((order, attempt))
        if there is not None:
            raise Refused("hold-exists" if there.member else "hold-too-late")
        member = self.members[name]
        available = sum(lot.left for lot in member.live(now))
        if available < sum(parts.values()):
            raise Refused("points-short", available=available)
        made = {part: Part(points, member.take(points, now)) for part, points in parts.items()}
        self.holds[order, attempt] = Hold(member, now, made)

    def capture(self, order: str, attempt: int, names: tuple[str, ...]) -> None:
        hold = self.holds.get((order, attempt))
        if hold is None:
            raise Refused("hold-not-found")
        for part in self._undecided(hold, names):
            part.state = "captured"
        assert hold.member is not None
        hold.member.act(f"redeemed {order}", hold.at)

    def release(self, order: str, attempt: int, names: tuple[str, ...], our_fault: bool, now: datetime) -> None:
        hold = self.holds.get((order, attempt))
        if hold is None:
            self.holds[order, attempt] = Hold(None, now, {})
            return
        back: dict[int, int] = {}
        for part in self._undecided(hold, names):
            part.state, part.our_fault = "released", our_fault
            for lot, points in part.taken:
                lot.left += points
                part.back[lot.number] = points
                back[lot.number] = back.get(lot.number, 0) + points
        if our_fault and hold.member:
            hold.member.reissue(((hold.member.lots[number], points) for number, points in back.items()), now)

    def _undecided(self, hold: Hold, names: tuple[str, ...]) -> list[Part]:
        if not hold.parts:
            raise Refused("hold-part-released")
        if any(name not in hold.parts for name in names):
            raise Refused("hold-part-not-found")
        named = [hold.parts[name] for name in names or sorted(hold.parts)]
        undecided = [part for part in named if part.state == "held"]
        if len(undecided) < len(named) and (names or not undecided):
            of_those = [hold.parts[name] for name in sorted(names or hold.parts) if hold.parts[name].state != "held"]
            raise Refused(f"hold-part-{of_those[0].state}")
        return undecided

    def give_back(
        self, order: str, attempt: int, name: str, points: int, our_fault: bool, now: datetime
    ) -> tuple[int, int, int]:
        hold = self.holds.get((order, attempt))
        if hold is None or hold.member is None:
            raise Refused("hold-not-found")
        if name not in hold.parts:
            raise Refused("hold-part-not-found")
        part = hold.parts[name]
        if part.state != "captured":
            raise Refused("hold-part-not-captured")
        left = part.points - sum(part.back.values())
        if points > left:
            raise Refused("gives-back-too-much", left=left)
        part.our_fault = part.our_fault or our_fault
        return self._back_to_lots(hold.member, part, points, our_fault, now)

    def _back_to_lots(
        self, member: Member, part: Part, points: int, our_fault: bool, now: datetime
    ) -> tuple[int, int, int]:
        back, lapsed = [], 0
        for lot, taken in reversed(part.taken):
            share = min(points, taken - part.back.get(lot.number, 0))
            points -= share
            if share:
                part.back[lot.number] = part.back.get(lot.number, 0) + share
                lot.left += share
                back.append((lot, share))
                lapsed += 0 if member.lives(lot, now) else share
        reissued = member.reissue(back, now) if our_fault else 0
        return sum(share for _, share in back) - lapsed, reissued, lapsed - reissued

    # Grants.

    def place(self, name: str, order: str, amount: int, now: datetime) -> None:
        self.members[name].act(order, now)
        self.grants[order] = Grant(self.members[name], amount // YEN_PER_POINT)

    def dispatch(self, order: str, now: datetime) -> None:
        grant = self.grants[order]
        if grant.state == "pending":
            grant.dispatched, grant.astray = now, False
            grant.wait()

    def deliver(self, order: str, now: datetime) -> None:
        grant = self.grants[order]
        if grant.state == "pending":
            grant.delivered = now
            grant.wait()

    def go_astray(self, order: str, now: datetime) -> None:
        grant = self.grants[order]
        if grant.state == "pending":
            grant.astray = True
            grant.wait()

    def close_unclaimed(self, order: str, now: datetime) -> None:
        grant = self.grants[order]
        if grant.state == "pending":
            grant.due, grant.closed = now, True

    def post_grant(self, order: str, now: datetime) -> None:
        grant = self.grants[order]
        if grant.state == "pending" and grant.due is not None and grant.due <= now:
            grant.state = "granted"
            repaid = min(grant.points, grant.member.debt)
            grant.member.debt -= repaid
            if grant.points:
                grant.lot = grant.member.new_lot(grant.points)
                grant.lot.left -= repaid

    def change_amount(self, order: str, amount: int) -> None:
        grant, earned = self.grants[order], amount // YEN_PER_POINT
        if grant.state == "pending":
            grant.points = earned
        elif grant.state == "granted":
            self._reverse(grant, earned)

    def cancel(self, order: str, now: datetime) -> None:
        grant = self.grants[order]
        if grant.state == "cancelled":
            return
        if grant.state == "granted":
            self._reverse(grant, 0)
        else:
            grant.state = "cancelled"
        end_before = grant.member.normal_end()
        for activity in grant.member.activities:
            if activity.what in {order, f"redeemed {order}"}:
                activity.counts = False
        end = grant.member.normal_end()
        if end_before and end_before > now and (end is None or end <= now):
            grant.member.reissue(self._back_by_our_fault(order, grant.member), now)

    def _back_by_our_fault(self, order: str, member: Member) -> list[tuple[Lot, int]]:
        back: dict[int, int] = {}
        for (of_order, _), hold in self.holds.items():
            for part in hold.parts.values() if of_order == order and hold.member is member else ():
                for number, points in part.back.items() if part.our_fault else ():
                    if member.lots[number].last_day is None:
                        back[number] = back.get(number, 0) + points
        return [(member.lots[number], points) for number, points in back.items()]

    def _reverse(self, grant: Grant, earned: int) -> None:
        share = grant.points - grant.reversed - earned
        if share <= 0 or grant.lot is None:
            return
        lot = grant.lot
        grant.reversed += share
        taken = min(share, lot.left)
        lot.left -= taken
        lot.reversed += taken
        # Of all that was taken back so far: what was neither found in the lot nor had lapsed was spent.
        owed = max(0, grant.reversed - lot.reversed - lot.lapsed - lot.owed)
        lot.owed += owed
        grant.member.debt += owed

    # Time.

    def post_expiry(self, last_day: date) -> None:
        for member in self.members.values():
            member.bury(deadline(last_day))
