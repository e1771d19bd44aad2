"""`ruum rooms`: what the contract master brings as a file (RM-01)."""

# ruff: noqa: PLC0415  # a service that starts needs nothing of this

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.asking import Folder, Speaks, saying, told_by_folder

if TYPE_CHECKING:
    from ruum.rooms.v1.rooms_pb2 import ImportLeasesRequest, ImportLeasesResponse

app = typer.Typer(no_args_is_help=True)


@app.callback()
def rooms() -> None:
    """Buildings and leases."""


@app.command("import")
def import_leases(
    file: Annotated[typer.FileText, typer.Argument(encoding="utf-8", help="A CSV in UTF-8, or - for standard input.")],
    folder: Folder = None,
    language: Speaks = "en",
) -> None:
    """Imports buildings and leases as the contract master; the same file again, or an older one, changes nothing."""
    from services.rooms import csv_import

    try:
        content = file.read()
    except UnicodeDecodeError as broken:
        raise typer.BadParameter(f"the file is not in UTF-8: {broken.reason} at byte {broken.start}") from None
    told_by_folder(folder, "contract-master")
    with saying(language):
        answers = asyncio.run(_import(list(csv_import.requests(content))))
    for kind in ("buildings", "leases"):
        changed, stale = (sum(getattr(answer, f"{kind}_{what}") for answer in answers) for what in ("changed", "stale"))
        print(f"{kind}: {changed:,} changed, {stale:,} not newer than ours")


async def _import(requests: list[ImportLeasesRequest]) -> list[ImportLeasesResponse]:
    from ruum.rooms.v1.rooms_pb2_grpc import RoomsServiceStub
    from services.chassis.neighbour import Neighbour
    from services.chassis.settings import CallerSettings, load

    class Settings(CallerSettings):
        rooms_address: str

    async with Neighbour("contract-master", load(Settings)) as master:
        stub = RoomsServiceStub(master.channel("rooms"))
        return [await stub.ImportLeases(request) for request in requests]
