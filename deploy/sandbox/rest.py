"""How the REST partners and the console refuse."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response


class Refused(Exception):
    """An answer that is no: status, a code for machines, a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


async def _refused(_: Request, no: Exception) -> Response:
    if not isinstance(no, Refused):
        raise no
    return JSONResponse(error(no.code, str(no)), no.status)


async def _invalid(_: Request, no: Exception) -> Response:
    if not isinstance(no, RequestValidationError):
        raise no
    # Only where and why: what was sent may be a key number.
    faults = "; ".join(f"{'.'.join(str(step) for step in e['loc'])}: {e['msg']}" for e in no.errors())
    return JSONResponse(error("invalid", faults), 422)


def speaks_rest(app: FastAPI) -> FastAPI:
    """Makes `Refused` and wrong input the JSON errors of the REST partners."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app
