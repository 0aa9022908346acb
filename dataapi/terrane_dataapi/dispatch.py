"""/api/data/…: from a URL to the application that serves that kind of dataset.

The dataset's part of the path becomes the application's root path, so every link a library builds is right for both
families of URLs (with and without @namespace), and the libraries need not know of either.
"""

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import __version__
from .pages import problem_page
from .problems import Problem, translate
from .registry import PREVIEW_HEADER, Name, Registry, Route

ROOT = "/api/data/"


class Datasets:
    """Finds the route of every request anew and hands over to the application of its kind."""

    def __init__(self, registry: Registry, kinds: Mapping[str, ASGIApp]):
        self._registry = registry
        self._kinds = kinds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = scope["root_path"]
        try:
            name, rest, route = await self._find(scope, scope["path"][len(prefix) :])
        except Exception as error:
            request = Request(scope)
            problem = translate(error, request)
            await (problem_page(request, problem) or problem.response())(scope, receive, send)
            return
        if rest == "":
            # A relative reference keeps whatever stands before our path, seen through a proxy or not.
            query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
            headers = {"Cache-Control": "no-store"}
            await RedirectResponse(f"{name.version}/{query}", 307, headers)(scope, receive, send)
            return
        inner = {
            **scope,
            "root_path": prefix + name.path,
            "state": {**scope.get("state", {}), "route": route, "site_root": prefix},
        }
        if route.is_preview:
            await self._kinds[route.kind](inner, receive, _with_headers(send, [(b"cache-control", b"no-store")]))
            return
        etag = _etag(scope, route)
        if etag in _if_none_match(scope):
            headers = {"ETag": etag.decode(), "Cache-Control": "no-cache", "Vary": "Accept"}
            await Response(None, 304, headers)(scope, receive, send)
            return
        caching = [(b"etag", etag), (b"cache-control", b"no-cache"), (b"vary", b"Accept")]
        await self._kinds[route.kind](inner, receive, _with_headers(send, caching))

    async def _find(self, scope: Scope, path: str) -> tuple[Name, str, Route]:
        unknown = Problem(404, "DATASET_NOT_FOUND", "There is no such dataset, or it is not published.")
        parsed = Name.parse(path)
        if parsed is None:
            raise unknown
        name, rest = parsed
        token = next((value for key, value in scope["headers"] if key == PREVIEW_HEADER), None)
        route = await self._registry.find(name, token)
        if route is None:
            raise unknown
        if route.kind not in self._kinds:
            raise Problem(404, "KIND_NOT_SERVED", f"This server does not serve {route.kind} datasets.")
        return name, rest, route


def _etag(scope: Scope, route: Route) -> bytes:
    """One build never changes, so the request and the route say what the response will be."""
    digest = hashlib.sha256(route.fingerprint)
    for part in (scope["path"].encode(), scope["query_string"], __version__.encode(), *_header(scope, b"accept")):
        digest.update(len(part).to_bytes(4, "big") + part)
    return b'W/"' + digest.hexdigest()[:24].encode() + b'"'


def _header(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _if_none_match(scope: Scope) -> list[bytes]:
    return [tag.strip() for value in _header(scope, b"if-none-match") for tag in value.split(b",")]


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    names = {name for name, _ in headers}

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (200, 204, 206):
            kept = [(n, v) for n, v in message.get("headers", []) if n.lower() not in names]
            message = {**message, "headers": kept + headers}
        elif message["type"] == "http.response.start":
            kept = [(n, v) for n, v in message.get("headers", []) if n.lower() != b"cache-control"]
            message = {**message, "headers": [*kept, (b"cache-control", b"no-store")]}
        await send(message)

    return wrapped
