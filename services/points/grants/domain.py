"""What orders earn: pending from the order, granted when nothing can be claimed any more (PT-02 to PT-07)."""

from __future__ import annotations

from datetime import datetime

from services.chassis.errors import Kind, RuumError
from services.chassis.events import Event, ProcessLine
from services.chassis.idempotency import Command, Commands, Verbs, Work, command
from services.chassis.ids import new_id
from services.points.grants import repository
from services.points.grants.models import Action, Grant, GrantState
from services.points.holds import repository as holds_repository
from services.points.ledger import repository as ledger_repository
from services.points.ledger.domain import Ledger, View
from services.points.ledger.models import Lot, Move
from services.points.ledger.repository import Posting
from services.points.settings import Rules

PROCESS = "point-grant"


class GrantNotFound(RuumError):
    """No order of this id was placed, as far as points has heard."""

    kind = Kind.NOT_FOUND
    code = "grant-not-found"


class PointsGranted(Event):
    order_id: str
    points: int


class PostGrant(Command):
    order_id: str


class RecordAction(Command):
    """`reason`: a code."""

    order_id: str
    operator: str
    action: str
    reason: str


class Recorded(View):
    action_id: str


class GrantView(View):
    """`due_at`: when it is granted; nothing while nobody knows, or when it is decided."""

    order_id: str
    state: GrantState
    points: int
    due_at: datetime | None


class Grants(Verbs):
    """What the store tells of an order changes its grant; the process of the grant asks for it when it is due."""

    def __init__(self, commands: Commands, ledger: Ledger, rules: Rules) -> None:
        self.commands = commands
        self._ledger = ledger
        self._rules = rules

    async def review(self, order_id: str) -> GrantView:
        """Where a grant stands, and until when it waits (PT-05).

        Raises:
            GrantNotFound: points has not heard of the order.
        """
        async with self.commands.database.reading() as session:
            return _view(await repository.find(session, order_id))

    @command
    async def post(self, work: Work, command: PostGrant) -> GrantView:
        """Grants what is due; what waits or is decided is answered as it stands: one side of a race wins (PR-06).

        Raises:
            GrantNotFound: points has not heard of the order.
        """
        grant = await repository.settle(work.tx, command.order_id, work.now)
        if grant is None:
            return _view(await repository.find(work.tx, command.order_id))
        if grant.points:
            await self._give(work, grant)
        return _view(grant)

    @command
    async def record_action(self, work: Work, command: RecordAction) -> Recorded:
        """Keeps who did what to the process of a grant, and why (OP-02)."""
        given = command.model_dump(include={"order_id", "operator", "action", "reason"})
        action = Action.make(action_id=new_id("act"), acted_at=work.now, **given)
        work.tx.add(action)
        return Recorded(action_id=action.action_id)

    async def _give(self, work: Work, grant: Grant) -> None:
        """A lot of normal points; what the member owes is paid from it at once (PT-31)."""
        member = await ledger_repository.open_member(work.tx, grant.member_id)
        lot = Lot.make(
            lot_id=new_id("lot"),
            member_id=grant.member_id,
            kind="normal",
            points=grant.points,
            order_id=grant.order_id,
            granted_at=work.now,
        )
        await ledger_repository.add_lot(work.tx, lot)
        postings = [Posting(Move.GRANTED, grant.points, lot.lot_id, grant.order_id)]
        repaid = min(member["debt"], grant.points)
        if repaid:
            postings.append(Posting(Move.REPAID, repaid, lot.lot_id, grant.order_id))
        await ledger_repository.post(work.tx, grant.member_id, work.now, postings)
        work.tell(
            PointsGranted(
                aggregate_id=grant.order_id,
                member_id=grant.member_id,
                order_id=grant.order_id,
                points=grant.points,
            )
        )

    # What the store tells.

    async def placed(self, work: Work, member_id: str, order_id: str, amount: int, placed_at: datetime) -> None:
        """An order's points are pending from now on, under the rules of today (PT-05, PT-07); once per order."""
        await ledger_repository.open_member(work.tx, member_id)
        grant = Grant.make(
            order_id=order_id,
            member_id=member_id,
            amount=amount,
            points=0,
            placed_at=placed_at,
            **self._rules.model_dump(include={"rules_version", "yen_per_point", "claim_days", "presumed_arrival_days"}),
        )
        grant.points = grant.earned(amount)
        if not await repository.add(work.tx, grant):
            return
        await self._ledger.keep(work, member_id, "order", order_id, placed_at)
        await self._pend(work, grant, grant.points)
        work.run(ProcessLine(process=PROCESS, key=order_id, arguments={"member_id": member_id}))

    async def dispatched(self, work: Work, order_id: str, at: datetime) -> None:
        """Without a report the goods are presumed to arrive; so are goods that set out again (PT-05)."""
        grant = await self._pending(work, order_id)
        if grant is not None:
            grant.dispatched_at = max(at, grant.dispatched_at or at)
            if grant.astray_since is not None and grant.astray_since < at:
                grant.astray_since = None
            grant.wait()

    async def delivered(self, work: Work, order_id: str, at: datetime) -> None:
        """The last line that arrives opens the last claim window (PT-05)."""
        grant = await self._pending(work, order_id)
        if grant is not None:
            grant.delivered_at = max(at, grant.delivered_at or at)
            grant.wait()

    async def went_astray(self, work: Work, order_id: str, at: datetime) -> None:
        """Goods known to be lost, or back with who sent them, are not presumed to have arrived (PT-05).

        Raises:
            GrantNotFound: this overtook the store's word of the order, and must come again.
        """
        if await repository.find(work.tx, order_id) is None:
            raise GrantNotFound(field="order_id")
        grant = await self._pending(work, order_id)
        if grant is not None:
            grant.astray_since = at
            grant.wait()

    async def closed_unclaimed(self, work: Work, order_id: str, at: datetime) -> None:
        """A key destroyed unclaimed has no claim window: it is granted at closing (PT-05)."""
        grant = await self._pending(work, order_id)
        if grant is not None:
            grant.unclaimed_at = at
            grant.wait()

    async def amount_changed(self, work: Work, order_id: str, amount: int) -> None:
        """A price change counts anew while it is pending; after the grant a refund takes its share back (PT-05)."""
        grant = await repository.locked(work.tx, order_id)
        if grant is None or grant.state == "cancelled":
            return
        earned = grant.earned(amount)
        grant.amount = amount
        if grant.state == "granted":
            await self._reverse(work, grant, earned)
            return
        await ledger_repository.open_member(work.tx, grant.member_id)
        await self._pend(work, grant, earned - grant.points)
        grant.points = earned
        _look_again(work, order_id)

    async def cancelled(self, work: Work, order_id: str) -> None:
        """Nothing is granted, and what was is taken back; the order no longer keeps points alive (PT-05, PT-10)."""
        grant = await repository.cancel(work.tx, order_id, work.now)
        if grant is not None:
            await ledger_repository.open_member(work.tx, grant.member_id)
            await self._pend(work, grant, -grant.points)
            _look_again(work, order_id)
        else:
            grant = await repository.locked(work.tx, order_id)
            if grant is None or grant.state == "cancelled":
                return
            await self._reverse(work, grant, 0)
        # The order kept older points alive. Those that it gave back by our fault, and that lapse with it, come again.
        if await self._ledger.forget(work, grant.member_id, order_id):
            back = await holds_repository.returned_by_our_fault(work.tx, order_id)
            await self._ledger.reissue(work, grant.member_id, order_id, back)

    async def _pending(self, work: Work, order_id: str) -> Grant | None:
        """The grant while it waits; its process is told that it changed."""
        grant = await repository.locked(work.tx, order_id)
        if grant is None or grant.state != "pending":
            return None
        _look_again(work, order_id)
        return grant

    async def _pend(self, work: Work, grant: Grant, points: int) -> None:
        """Changes what is pending by so many points."""
        if points:
            move = Move.PENDING if points > 0 else Move.PENDING_ENDED
            posting = Posting(move, abs(points), order_id=grant.order_id)
            await ledger_repository.post(work.tx, grant.member_id, work.now, [posting])

    async def _reverse(self, work: Work, grant: Grant, earned: int) -> None:
        """Takes back what a refunded share had earned: of the lot what is left, the rest as a debt (PT-05, PT-31).

        What lapsed meanwhile is owed by nobody.
        """
        share = grant.points - grant.reversed - earned
        if share <= 0:
            return
        await ledger_repository.open_member(work.tx, grant.member_id)
        lot = await ledger_repository.granted_lot(work.tx, grant.order_id)
        grant.reversed += share
        taken = min(share, lot["remaining"])
        # Of all that is to be taken back: less what was taken of the lot, before and now, what lapsed, what is owed.
        owed = max(0, grant.reversed - lot["reversed"] - taken - lot["lapsed"] - lot["owed"])
        postings = [
            Posting(move, points, lot["lot_id"], grant.order_id, follows=lot["position"])
            for move, points in ((Move.REVERSED, taken), (Move.OWED, owed))
            if points
        ]
        await ledger_repository.post(work.tx, grant.member_id, work.now, postings)


def _look_again(work: Work, order_id: str) -> None:
    work.run(ProcessLine(process=PROCESS, key=order_id, action="review"))


def _view(grant: Grant | None) -> GrantView:
    if grant is None:
        raise GrantNotFound(field="order_id")
    due_at = grant.due_at if grant.state == "pending" else None
    return GrantView(order_id=grant.order_id, state=grant.state, points=grant.points, due_at=due_at)
