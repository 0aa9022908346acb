"""JSON that a client sent: bodies of a sane size, without numbers and nesting that the libraries behind would fail on.

Python's own parser recurses, and keeps whole numbers of any length, which overflow where they become floats. FastAPI reads a body
to its end before an endpoint's dependencies can look at it, and parses it on the event loop, which all other requests wait for.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import orjson
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from .problems import Problem

LARGEST_BODY = 4 * 1024 * 1024
# The deepest filter that filters.py takes has about half as many levels.
DEEPEST = 200
# Bytes that are parsed at once: handing over to a thread would take longer.
_QUICK = 64 * 1024

T = TypeVar("T")


def parse(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for what is none, for numbers no float can hold, and for deep nesting."""
    value = orjson.loads(text)
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        # Level by level: to recurse is what this is against.
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, dict | list)
        ]
        if not level:
            return value
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


async def read(request: Request, most: int = LARGEST_BODY) -> tuple[bytes, Any]:
    """A request's body and its value. One of more than `most` bytes is not read to its end."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Problem(413, "BODY_TOO_LARGE", f"A body may have {most} bytes here: ask for less at once.")
    try:
        return bytes(body), await beside(len(body), parse, bytes(body))
    except ValueError as error:
        raise Problem(400, "INVALID_PARAMETER", f"The body is no JSON: {error}") from error


async def beside(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """The result of `work`, which takes time with the bytes of a body: of a large one in a thread, beside the event loop."""
    return await run_in_threadpool(work, *arguments) if size > _QUICK else work(*arguments)


class _ReadRequest(Request):
    """A request whose body was read and parsed."""

    def __init__(self, request: Request, body: bytes, value: Any):
        super().__init__(request.scope, request.receive)
        self._read = body
        self._value = value

    async def body(self) -> bytes:
        return self._read

    async def json(self) -> Any:
        return self._value


class JSONRoute(APIRoute):
    """An endpoint whose body is read and parsed here instead of by FastAPI."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_ReadRequest(request, *await read(request)) if request.method == "POST" else request)

        return handle
