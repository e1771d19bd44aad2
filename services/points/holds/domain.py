"""Points put aside for an order, and what becomes of them: spent, free again, or given back (PT-20 to PT-25)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from services.chassis.errors import Kind, RuumError
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.points.holds import repository
from services.points.holds.models import PartState
from services.points.ledger import repository as ledger_repository
from services.points.ledger.domain import Ledger, View
from services.points.ledger.models import Move
from services.points.ledger.repository import Posting, Row


class PointsShort(RuumError):
    """The member has fewer points than are to be held; `available` says how many (PT-20)."""

    kind = Kind.REFUSED
    code = "points-short"


class HoldExists(RuumError):
    """Another request has made the hold of this order and attempt (PT-24)."""

    kind = Kind.REFUSED
    code = "hold-exists"


class HoldTooLate(RuumError):
    """The hold was released before it came (PT-24)."""

    kind = Kind.REFUSED
    code = "hold-too-late"


class PartsDoubled(RuumError):
    """Two parts of a hold have the same name."""

    kind = Kind.INVALID
    code = "hold-parts-doubled"


class HoldNotFound(RuumError):
    """No points were held for this order and attempt."""

    kind = Kind.NOT_FOUND
    code = "hold-not-found"


class PartNotFound(RuumError):
    """The hold has no part of this name."""

    kind = Kind.NOT_FOUND
    code = "hold-part-not-found"


class PartReleased(RuumError):
    """The part is free again: it can be neither captured nor released (PT-24)."""

    kind = Kind.REFUSED
    code = "hold-part-released"


class PartCaptured(RuumError):
    """The part is spent: it can be neither captured again nor released (PT-24)."""

    kind = Kind.REFUSED
    code = "hold-part-captured"


class PartNotCaptured(RuumError):
    """Only what was spent can be given back (PT-25)."""

    kind = Kind.REFUSED
    code = "hold-part-not-captured"


class GivesBackTooMuch(RuumError):
    """More than the part spent and did not give back yet; `left` says how many that is (PT-26)."""

    kind = Kind.REFUSED
    code = "gives-back-too-much"


class Part(View):
    """A line's share of what is to be held."""

    part_id: str
    points: int

    @property
    def yen(self) -> int:
        """A point is one yen (PT-20)."""
        return self.points


class HoldPoints(Command):
    member_id: str
    order_id: str
    attempt: int
    parts: tuple[Part, ...]


class OnHold(Command):
    """`part_ids`: which parts; none means all that are still held."""

    order_id: str
    attempt: int
    part_ids: tuple[str, ...] = ()


class CapturePoints(OnHold):
    pass


class ReleasePoints(OnHold):
    """`reissue_lapsed`: the order ended by our fault or the maker's (SK-13, PT-25)."""

    reissue_lapsed: bool = False


class GiveBackPoints(Command):
    order_id: str
    attempt: int
    part_id: str
    points: int
    reissue_lapsed: bool = False


class PartView(View):
    part_id: str
    points: int
    yen: int
    state: PartState


class HoldView(View):
    """A hold as it stands; without parts it was released before it came."""

    hold_id: str
    parts: tuple[PartView, ...]

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def yen(self) -> int:
        return sum(part.yen for part in self.parts)


class GivenBack(View):
    """Points that came back to live lots, were issued again, or had lapsed and are lost (PT-25)."""

    returned: int
    reissued: int
    lost: int


class Holds(Verbs):
    """Every verb is the worker's, on behalf of the order's process."""

    def __init__(self, commands: Commands, ledger: Ledger) -> None:
        self.commands = commands
        self._ledger = ledger

    @command
    async def hold(self, work: Work, command: HoldPoints) -> HoldView:
        """Puts points aside: limited-time lots by their end, then normal ones by their age (PT-21).

        Raises:
            PointsShort: there are not enough; nothing changes.
            HoldTooLate: it was released before.
            HoldExists: another request made it.
            PartsDoubled: two parts have one name.
        """
        names = [part.part_id for part in command.parts]
        if len(set(names)) < len(names):
            raise PartsDoubled(field="parts")
        hold_id, keeps = new_id("hold"), self._ledger.kept_from(work.now)
        outcome = await repository.hold(
            work.tx,
            {
                **command.model_dump(include={"member_id", "order_id", "attempt"}),
                "hold_id": hold_id,
                "now": work.now,
                "keeps_last_day": keeps.last_day,
                "keeps_until": keeps.until,
                "part_ids": names,
                "part_points": [part.points for part in command.parts],
                "part_yen": [part.yen for part in command.parts],
            },
        )
        if not outcome["placed"]:
            await self._refuse(work, command, outcome["available"])
        parts = [PartView(part_id=p.part_id, points=p.points, yen=p.yen, state="held") for p in command.parts]
        return HoldView(hold_id=hold_id, parts=tuple(parts))

    async def _refuse(self, work: Work, command: HoldPoints, available: int) -> None:
        there = await repository.find(work.tx, command.order_id, command.attempt)
        if there is None:
            raise PointsShort(field="parts", available=available)
        raise HoldTooLate if there["member_id"] is None else HoldExists

    @command
    async def capture(self, work: Work, command: CapturePoints) -> HoldView:
        """Spends parts of a hold: they are gone (PT-22), and the member's normal points live on from the hold (PT-10).

        Raises:
            HoldNotFound, PartNotFound: there is nothing of the kind.
            PartReleased, PartCaptured: it was decided before.
        """
        rows = await self._decide(work, command, "captured", Move.SPENT)
        if not rows:
            raise HoldNotFound
        row = rows[0]
        # What had lapsed before the hold is entered as lapsed before the term moves on: it must not live again.
        if row["lapsed_before"]:
            await self._ledger.keep(work, row["member_id"], "redemption", command.order_id, row["held_at"])
        return _view(rows, "captured")

    @command
    async def release(self, work: Work, command: ReleasePoints) -> HoldView:
        """Makes parts of a hold free again, each point in its lot. A hold that has not come can no longer come.

        Raises:
            PartNotFound: the hold has no such part.
            PartReleased, PartCaptured: it was decided before.
        """
        rows = await self._decide(work, command, "released", Move.RELEASED, reissue=command.reissue_lapsed)
        # The hold may come between the look and the burial: then it is there to be released after all.
        while not rows:
            buried = {"order_id": command.order_id, "attempt": command.attempt, "hold_id": new_id("hold")}
            if await repository.bury(work.tx, buried | {"now": work.now}):
                return HoldView(hold_id=buried["hold_id"], parts=())
            rows = await self._decide(work, command, "released", Move.RELEASED, reissue=command.reissue_lapsed)
        if command.reissue_lapsed:
            await self._ledger.reissue(work, rows[0]["member_id"], command.order_id, rows[0]["lots"])
        return _view(rows, "released")

    async def _decide(
        self, work: Work, command: OnHold, state: Literal["captured", "released"], move: Move, *, reissue: bool = False
    ) -> Sequence[Row]:
        given: dict[str, Any] = command.model_dump(include={"order_id", "attempt"})
        given |= {"part_ids": list(command.part_ids), "state": state, "reissue": reissue, "now": work.now}
        rows = await repository.decide(work.tx, given | {"kind": move.kind, "credit": move.credit})
        if rows:
            _check(rows, command.part_ids)
        return rows

    @command
    async def give_back(self, work: Work, command: GiveBackPoints) -> GivenBack:
        """Gives points of a captured part back to the lots they came from, with the terms that these have now (PT-25).

        Raises:
            HoldNotFound, PartNotFound: there is nothing of the kind.
            PartNotCaptured: the part was not spent.
            GivesBackTooMuch: more than it spent.
        """
        hold = await repository.find(work.tx, command.order_id, command.attempt)
        if hold is None or hold["member_id"] is None:
            raise HoldNotFound
        await ledger_repository.open_member(work.tx, hold["member_id"])
        given = command.model_dump(include={"order_id", "attempt", "part_id", "points"})
        if not await repository.take_back(work.tx, given | {"reissue": command.reissue_lapsed}):
            _refuse_to_give_back(await repository.part(work.tx, given))
        postings = _back_to_lots(command, await repository.spent(work.tx, given))
        await ledger_repository.post(work.tx, hold["member_id"], work.now, postings)
        return await self._given_back(work, hold["member_id"], command, postings)

    async def _given_back(
        self, work: Work, member_id: str, command: GiveBackPoints, postings: Sequence[Posting]
    ) -> GivenBack:
        """What became of the points that came back to their lots; reissues what has lapsed, where it was our fault."""
        back = {posting.lot_id: posting.points for posting in postings if posting.lot_id}
        lapsed = sum((await ledger_repository.lapsed_among(work.tx, back, work.now)).values())
        reissued = 0
        if command.reissue_lapsed:
            reissued = await self._ledger.reissue(work, member_id, command.order_id, back)
        return GivenBack(returned=command.points - lapsed, reissued=reissued, lost=lapsed - reissued)


def _check(rows: Sequence[Row], part_ids: Sequence[str]) -> None:
    """Refuses what was decided before; without names, when nothing is left to decide."""
    parts = {row["part_id"]: row for row in rows if row["part_id"] is not None}
    if not parts:
        raise PartReleased
    for part_id in part_ids:
        if part_id not in parts:
            raise PartNotFound(field="part_ids")
    if part_ids or not any(row["decided"] for row in parts.values()):
        for row in parts.values():
            if row["named"] and not row["decided"]:
                raise PartCaptured if row["state"] == "captured" else PartReleased


def _view(rows: Sequence[Row], decided: PartState) -> HoldView:
    """A row tells the state that its part had before it was decided."""
    parts = [PartView.model_validate({**row, "state": decided if row["decided"] else row["state"]}) for row in rows]
    return HoldView(hold_id=rows[0]["hold_id"], parts=tuple(parts))


def _refuse_to_give_back(part: Row | None) -> None:
    if part is None:
        raise PartNotFound(field="part_id")
    if part["state"] != "captured":
        raise PartNotCaptured(field="part_id")
    raise GivesBackTooMuch(field="points", left=part["spent"])


def _back_to_lots(command: GiveBackPoints, spent: Sequence[Row]) -> list[Posting]:
    """The lots that were taken last, which live longest, get theirs first."""
    postings, left = [], command.points
    for share in spent:
        points = min(left, share["points"])
        if points:
            back = Posting(
                Move.GIVEN_BACK,
                points,
                share["lot_id"],
                command.order_id,
                command.attempt,
                command.part_id,
                follows=share["position"],
            )
            postings.append(back)
            left -= points
    return postings
