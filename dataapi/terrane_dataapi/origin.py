"""The outermost layer: what every request loses and every response gets.

Links in responses are built from the configured public URL. Host and the forwarding headers are the client's words;
they are taken out before any library can believe them.
"""

import logging
import re
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, translate

log = logging.getLogger("terrane.dataapi")

_DROPPED = (b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port")
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+")
_ESCAPED_CONTROL = re.compile(rb"%(?:0[0-8bcef]|1[0-9a-f]|7f)", re.IGNORECASE)
_LONGEST_QUERY = 48 * 1024

# No page loads, sends or frames anything of another origin. MapLibre runs its workers from blob: URLs and paints
# textures from them.
CONTENT_SECURITY_POLICY = "; ".join([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "worker-src blob:",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
])  # fmt: skip

_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Link, ETag, Content-Range, Accept-Ranges, Content-Bbox, Content-Crs"),
]
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, If-None-Match, Range"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]
_REPLACED = {name for name, _ in _HEADERS} | {b"access-control-allow-credentials"}


def normal_accept(value: str) -> str:
    """An Accept header of media types and well-formed q only; tipg's own parser fails on anything else."""
    kept = []
    for one in value[:1000].split(","):
        media, *parameters = (part.strip() for part in one.split(";"))
        if not _MEDIA.fullmatch(media):
            continue
        quality = next((p[2:].strip() for p in parameters if p.lower().startswith("q=")), "1")
        kept.append(f"{media.lower()};q={quality}" if _QUALITY.fullmatch(quality) else media.lower())
    return ",".join(kept)


class PublicOrigin:
    """Wraps the application: one origin, whatever the request says; the same headers on every response."""

    def __init__(self, app: ASGIApp, public_url: str):
        parts = urlsplit(public_url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            raise ValueError(f"not a public URL: {public_url!r}")
        self.app = app
        self._scheme = parts.scheme
        self._host = parts.netloc.encode("ascii")
        self._prefix = parts.path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        inner = self._inside(scope)
        answered = _Answer(send, bodyless=scope["method"] == "HEAD")
        try:
            self._check(scope)
            if scope["method"] == "OPTIONS":
                await answered.preflight()
            else:
                await self.app(inner, receive, answered)
        except Exception as error:  # the last one that can answer
            if answered.started:
                # Starlette re-raises what its handler has already answered and logged.
                if not answered.finished:
                    log.error("response broke off", exc_info=error, extra={"path": scope["path"]})
                    raise
            else:
                await translate(error, Request(inner)).response()(inner, receive, answered)

    def _inside(self, scope: Scope) -> Scope:
        headers = [(b"host", self._host)]
        for name, value in scope["headers"]:
            if name == b"accept":
                value = normal_accept(value.decode("latin-1")).encode("latin-1")
            if name not in _DROPPED:
                headers.append((name, value))
        return {
            **scope,
            "method": "GET" if scope["method"] == "HEAD" else scope["method"],
            # For what would read a large file only to throw it away.
            "state": {**scope.get("state", {}), "bodyless": scope["method"] == "HEAD"},
            "scheme": self._scheme,
            "headers": headers,
            "root_path": self._prefix,
            "path": self._prefix + scope["path"],
        }

    @staticmethod
    def _check(scope: Scope) -> None:
        query = scope["query_string"]
        if len(query) > _LONGEST_QUERY:
            raise Problem(414, "QUERY_TOO_LONG", f"A query may have {_LONGEST_QUERY} bytes.")
        # PostgreSQL's text has no NUL, and no name or filter needs the other control characters.
        if _ESCAPED_CONTROL.search(query) or any(ord(c) < 32 or ord(c) == 127 for c in scope["path"]):
            raise Problem(400, "INVALID_PARAMETER", "The URL has control characters.")


class _Answer:
    """Forwards a response with the common headers, and without its body for HEAD."""

    def __init__(self, send: Send, *, bodyless: bool):
        self._send = send
        self._bodyless = bodyless
        self.started = False
        self.finished = False

    async def preflight(self) -> None:
        await self({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
        await self({"type": "http.response.body", "body": b""})

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            kept = [(n, v) for n, v in message.get("headers", []) if n.lower() not in _REPLACED]
            message = {**message, "headers": kept + _HEADERS}
        elif message["type"] == "http.response.body":
            self.finished = not message.get("more_body", False)
            if self._bodyless:
                message = {**message, "body": b""}
        await self._send(message)
