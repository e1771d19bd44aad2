"""`ruum desk`: what operators do that must not enter Temporal, until the desk has pages (SK-14, SK-50)."""

# ruff: noqa: PLC0415  # a service that starts needs nothing of the desk

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.asking import Folder, Request, Speaks, request_id, saying, told_by_folder

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from services.cli.operator import Operator

app = typer.Typer(no_args_is_help=True)

_OPERATOR = re.compile(r"op_[0-9a-z_]{2,32}")
_WHO = "say who you are, with --operator before the command or RUUM_OPERATOR: op_ and 2 to 32 of a-z, 0-9 and _"

Order = Annotated[str, typer.Argument(help="Its id: ord_…")]
Room = Annotated[str, typer.Argument(help="Its id: room_…")]
Most = Annotated[int, typer.Option(help="How many at most, newest first.", min=1)]
At = Annotated[datetime | None, typer.Option(help="As it was then, by the clock of Japan.")]


@dataclass(frozen=True)
class Seat:
    """Who sits at the desk, and of which ruum."""

    operator: str
    folder: Path | None
    language: str


@app.callback()
def desk(
    context: typer.Context,
    operator: Annotated[str, typer.Option(envvar="RUUM_OPERATOR", help="Who asks: op_yourname.")] = "",
    folder: Folder = None,
    language: Speaks = "en",
) -> None:
    """What operators look up and do outside of the Temporal UI."""
    context.obj = Seat(operator, folder, language)


@contextmanager
def _seated(context: typer.Context) -> Iterator[Operator]:
    """The operator's calls; a refusal ends the command with what it says.

    Raises:
        typer.BadParameter: this is no operator's name.
    """
    from services.cli.operator import Operator

    seat: Seat = context.obj
    if not _OPERATOR.fullmatch(seat.operator):
        raise typer.BadParameter(_WHO)
    told_by_folder(seat.folder, "desk")
    with saying(seat.language):
        yield Operator(seat.operator)


@app.command()
def key_number(context: typer.Context, order: Order, request: Request = "") -> None:
    """Seals the key number that a customer gave, typed unseen or from standard input; prints its reference (SK-14)."""
    with _seated(context) as operator:
        number = _typed("Key number (not shown)")
        reference = operator.enter_key_number(request_id(request), order, number)
    action = {"operator": context.obj.operator, "reason": "by-phone", "reference": reference}
    print(reference)
    print(f"in the Temporal UI, on sparekey-order/{order}: update accept_key_number with {json.dumps(action)}")


@app.command()
def resolve(
    context: typer.Context,
    order: Order,
    reason: Annotated[str, typer.Option(help="A code, such as key-came-back.")],
    request: Request = "",
) -> None:
    """Puts away why a person was called to an order that has ended (OP-04)."""
    with _seated(context) as operator:
        operator.resolve(request_id(request), order, reason)
    print(f"resolved: nobody is called to {order} any more")


@app.command()
def cases(
    context: typer.Context,
    needs_operator: Annotated[bool, typer.Option(help="Only those that wait for a person.")] = False,
    most: Most = 50,
) -> None:
    """Key orders: where each stands, until when, and why it needs a person."""
    with _seated(context) as operator:
        found = operator.cases(most, needing=needs_operator)
    _table(found, "order_id", "state", "deadline", "needs_operator")


@app.command()
def case(context: typer.Context, order: Order) -> None:
    """One key order: what it waits for, until when, and where its parcel is."""
    with _seated(context) as operator:
        found = operator.case(order)
    fields = [name for name in found.DESCRIPTOR.fields_by_name if name not in {"member_id", "version"}]
    _lines(found, *fields)


@app.command()
def order(context: typer.Context, order: Order) -> None:
    """The money of one order; neither names nor addresses."""
    with _seated(context) as operator:
        found = operator.order(order)
    _lines(found, "order_number", "state", "placed_at", "promised_dispatch_on", "cancel_reason")
    _lines(found.totals, "goods", "coupon", "shipping", "charges", "points", "points_yen", "due")
    _lines(found.payment, "means", "state", "amount", "decline_code", "authorised_until")


@app.command()
def codes(
    context: typer.Context, lease: Annotated[str, typer.Argument(help="The code of the lease.")], request: Request = ""
) -> None:
    """Makes a new pair of registration codes for a lease; the old pair dies (RM-03)."""
    with _seated(context) as operator:
        pair = operator.issue_codes(request_id(request), lease)
    print(f"① {pair.code1}", f"② {pair.code2}", pair.link, sep="\n")


@app.command()
def access(context: typer.Context, room: Room, at: At = None, most: Most = 50) -> None:
    """Who was registered in a room from when to when, or who had access at an instant (RM-23)."""
    with _seated(context) as operator:
        found = operator.access(room, _in_japan(at), most)
    _table(found, "member_id", "kind", "lease_code", "registered_at", "removed_at", "removed_by")


@app.command()
def remove(
    context: typer.Context,
    room: Room,
    member: Annotated[list[str], typer.Argument(help="Whose registration ends: mem_…")],
    request: Request = "",
) -> None:
    """Removes registrations of a room (RM-21)."""
    with _seated(context) as operator:
        removed = operator.remove_members(request_id(request), room, member)
    print(*(f"removed {one}" for one in removed), sep="\n")


@app.command()
def settle(
    context: typer.Context,
    conflict: Annotated[str, typer.Argument(help="Its id: cnf_…")],
    to: Annotated[str, typer.Option(help="Who is the contractor, after the person was checked.")],
    reason: Annotated[str, typer.Option(help="A code, such as lease-seen.")],
    request: Request = "",
) -> None:
    """Decides a conflict about who is the contractor: --to claimant or --to holder (RM-06)."""
    if to not in {"claimant", "holder"}:
        raise typer.BadParameter("--to claimant or --to holder")
    with _seated(context) as operator:
        operator.settle_conflict(request_id(request), conflict, reason, to_claimant=to == "claimant")
    print(f"settled: the {to} is the contractor")


@app.command()
def goods(
    context: typer.Context,
    file: Annotated[typer.FileText, typer.Argument(help="JSON: a list of products.")],
    request: Request = "",
) -> None:
    """Puts goods and prices into the catalogue; orders keep the price they were placed at (SK-07)."""
    from services.cli.operator import read_products

    try:
        products = read_products(file.read())
    except ValueError as broken:
        raise typer.BadParameter(str(broken)) from None
    with _seated(context) as operator:
        changed = operator.put_products(request_id(request), products)
    print(f"{changed} changed")


@app.command("views")
def saved_views(context: typer.Context) -> None:
    """The list filters that are worth saving in the Temporal UI; those about time are of this moment (OP-01)."""
    from services.chassis.clock import clock_from
    from services.chassis.settings import CallerSettings, load
    from workflows.views import views

    seat: Seat = context.obj
    told_by_folder(seat.folder, "desk")
    settings = load(CallerSettings)
    for name, query in views(clock_from(settings.deployment, settings.clock_file).now()).items():
        print(f"{name:<12} {query}")


@app.command()
def ledger(context: typer.Context, at: At = None) -> None:
    """The points of every account; zero in all."""
    with _seated(context) as operator:
        balance = operator.trial_balance(_in_japan(at))
    _table(balance.accounts, "account", "points")
    print(f"sum {balance.sum:,}")
    if balance.sum:
        raise typer.Exit(1)


def _typed(prompt: str) -> str:
    """A line that is neither shown nor kept in the shell's history."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, err=True))
    return sys.stdin.readline().strip()


def _in_japan(at: datetime | None) -> datetime | None:
    from services.chassis.jst import JST

    return at.replace(tzinfo=JST) if at else None


def _lines(message: Message, *fields: str) -> None:
    from services.cli.tables import lines

    print(*lines(message, *fields), sep="\n")


def _table(messages: Sequence[Message], *fields: str) -> None:
    from services.cli.tables import table

    print(*table(messages, *fields), sep="\n")
