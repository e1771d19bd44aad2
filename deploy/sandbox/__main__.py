"""`python -m deploy.sandbox`."""

from __future__ import annotations

import uvicorn

from deploy.sandbox.app import build
from deploy.sandbox.settings import address, load

# Longer than any client keeps an idle connection: both ends would at times close and use it in the same moment.
_IDLE_SECONDS = 75


def main() -> None:
    settings = load()
    host, port = address(settings.sandbox_listen)
    app = build(settings)
    print(f"partners' stand-ins: http://{host}:{port}/", flush=True)
    # Logs stay quiet: addresses and bodies of requests may hold what partners must keep to themselves.
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=_IDLE_SECONDS,
    )


if __name__ == "__main__":
    main()
