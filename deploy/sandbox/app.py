"""The process: partners, console, mail server, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from deploy.sandbox import console, mail, partners
from deploy.sandbox.jobs import Jobs
from deploy.sandbox.rest import speaks_rest
from deploy.sandbox.settings import Settings, address
from deploy.sandbox.store import Store
from deploy.sandbox.webhooks import Webhooks
from deploy.sandbox.world import World
from services.chassis.clock import MovableClock, SystemClock


def build(settings: Settings) -> FastAPI:
    clock = MovableClock(settings.ruum_clock_file) if settings.ruum_clock_file else SystemClock()
    world = World(clock, Store(settings.sandbox_data))
    them = partners.wire(world)
    jobs, webhooks = Jobs(world), Webhooks(world, settings)
    mailbox = mail.Mailbox(world, them.inbox)

    @asynccontextmanager
    async def beside(_: FastAPI) -> AsyncIterator[None]:
        server = await mail.serve(mailbox, *address(settings.sandbox_smtp_listen))
        running = [asyncio.create_task(jobs.run()), asyncio.create_task(webhooks.run())]
        for task in running:
            task.add_done_callback(_stop_with)
        yield
        server.close()
        for task in running:
            task.remove_done_callback(_stop_with)
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    app = speaks_rest(FastAPI(title="Partners' stand-ins", lifespan=beside))
    partners.mount(app, them, settings)
    console.mount(app, them)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def _stop_with(task: asyncio.Task[None]) -> None:
    """Half a stand-in helps nobody: when a loop dies the process does, loudly."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": "a loop of the sandbox died", "exception": task.exception()}
    )
    raise SystemExit(1)
