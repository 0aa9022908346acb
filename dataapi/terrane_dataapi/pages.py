"""HTML pages: templates that escape everything, and what all of them need to know.

Pages refer to each other and to their assets by relative URLs, so they work wherever they are seen from; what a
person copies into another program is absolute and public.
"""

import datetime
import json
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates
from tipg.dependencies import accept_media_type
from tipg.resources.enums import MediaType

from . import assets
from .problems import Problem
from .registry import Route


def _number(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _day(value: datetime.datetime | None) -> str:
    return "" if value is None else f"{value.day} {value:%B %Y}"


def extents(bbox: list[float] | None) -> list[list[float]]:
    """A box as boxes that a map can hold: two where it crosses the antimeridian."""
    if bbox is None:
        return []
    west, south, east, north = bbox
    if west <= east:
        return [[west, south, east, north]]
    return [box for box in ([west, south, 180, north], [-180, south, east, north]) if box[0] < box[2]]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def _short(value: Any) -> str:
    """A number, or the text of one, with no more digits than people read; whole ones have all of theirs."""
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"


def _size(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _band_name(band: dict[str, Any], number: int) -> str:
    """What a band is called where its number does not stand beside it."""
    named = band["description"] or (band["colour"] if band["colour"] not in (None, "gray", "undefined") else "")
    return named or f"Band {number}"


def _page_context(request: Request) -> dict[str, Any]:
    """Relative ways to the site's root and to the dataset's."""
    prefix = request.state.site_root if hasattr(request.state, "site_root") else request.scope.get("root_path", "")
    path = request.url.path.removeprefix(prefix)
    context: dict[str, Any] = {"root": "../" * (path.count("/") - 1) or "./", "asset_version": assets.VERSION}
    if route := getattr(request.state, "route", None):
        below = request.url.path.removeprefix(request.scope["root_path"])
        context |= {"route": route, "base": "../" * (below.count("/") - 1) or "./"}
    return context


_environment = jinja2.Environment(
    loader=jinja2.PackageLoader(__package__, "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "json": lambda value: json.dumps(value),
    "number": _number,
    "day": _day,
    "cell": _cell,
    "short": _short,
    "size": _size,
    "band_name": _band_name,
    "extents": extents,
    "segment": lambda text: quote(str(text), safe=""),
}
TEMPLATES = Jinja2Templates(env=_environment, context_processors=[_page_context])


def render(request: Request, template: str, context: dict[str, Any], status: int = 200) -> Response:
    return TEMPLATES.TemplateResponse(request, template, context, status)


def wants_html(request: Request) -> bool:
    if asked := request.query_params.get("f"):
        return asked == "html"
    accepted = accept_media_type(request.headers.get("accept", ""), [MediaType.json, MediaType.html])
    return accepted == MediaType.html


def problem_page(request: Request, problem: Problem) -> Response | None:
    """The problem as a page if the client is a browser."""
    if not wants_html(request):
        return None
    answer = render(request, "problem.html", {"problem": problem}, problem.status)
    for name, value in problem.response().headers.items():
        if name.lower() in ("retry-after", "cache-control"):
            answer.headers[name] = value
    return answer


def stac_item_url(request: Request, route: Route) -> str | None:
    if not route.stac_collection or not route.stac_item:
        return None
    site = str(request.base_url.replace(path=request.state.site_root)).rstrip("/")
    return f"{site}/stac/collections/{quote(route.stac_collection, safe=':')}/items/{quote(route.stac_item, safe='')}"
