"""The console: one page and the same as JSON."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from deploy.sandbox.console import goods, knobs, money, page
from deploy.sandbox.console.books import books
from deploy.sandbox.partners import Partners


def mount(app: FastAPI, them: Partners) -> None:
    for routes in (goods.routes(them), money.routes(them), knobs.routes(them)):
        app.include_router(routes, prefix="/console/api", dependencies=[books(them.world)])
    app.include_router(page.routes(them), dependencies=[books(them.world)])
    app.mount("/console/static", StaticFiles(directory=Path(__file__).parent / "static"))
