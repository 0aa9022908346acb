"""STAC API over pgstac, below /stac."""

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from urllib.parse import unquote_plus

from fastapi import FastAPI
from stac_fastapi.pgstac.app import instantiate_api
from stac_fastapi.pgstac.config import Settings
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.db import get_connection
from stac_fastapi.types.rfc3339 import rfc3339_str_to_datetime
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from . import client_json, filters, pages, problems
from .database import Pool
from .problems import Problem

# Items, and collections, of a page: an item of many assets has 10 kB. Whoever asks for more gets this many, and a link to the rest
# (OGC API Features, 7.15.2).
LARGEST_PAGE = 500
# Bytes of a search. stac-fastapi makes models of it on the event loop: a polygon of 4 MB would stop all other requests for 1.6 s.
LARGEST_SEARCH = 1024 * 1024
# Conditions and names of a search. With thousands of them pgstac is at work until the statement is cancelled.
MOST_CONDITIONS = 512


class ReadOnlyClient(CoreCrudClient):
    """stac-fastapi's client for a database it may only read, and for searches nobody has checked yet."""

    async def _search_base(self, search_request: Any, request: Request) -> Any:
        # `conf` is pgstac's own switchboard; a client has no business in it.
        search_request.conf = None
        search_request.limit = _within_page(search_request.limit)
        if (box := search_request.bbox) is not None and len(box) == 6:
            # PostGIS makes a solid of six numbers and then refuses to intersect it.
            search_request.bbox = (box[0], box[1], box[3], box[4])
        if (condition := getattr(search_request, "filter_expr", None)) is not None:
            search_request.filter_expr = filters.check(condition)
        return await super()._search_base(search_request, request)

    async def all_collections(self, request: Request, limit: int | None = None, **asked: Any) -> Any:
        return await super().all_collections(request, limit=_within_page(limit), **asked)

    def _clean_search_args(self, base_args: dict[str, Any], **named: Any) -> dict[str, Any]:
        if text := named.get("filter_query"):
            named["filter_query"] = json.dumps(filters.parse(text, named.get("filter_lang")))
            named["filter_lang"] = "cql2-json"
        box = base_args.get("bbox")
        if box is not None and len(box) == 6:
            base_args = {**base_args, "bbox": (box[0], box[1], box[3], box[4])}
        return super()._clean_search_args(base_args, **named)


def _within_page(limit: int | None) -> int | None:
    return None if limit is None else min(limit, LARGEST_PAGE)


class CatalogApplication:
    """stac-fastapi behind checks of what it would only find out inside its endpoints, as a defect of its own."""

    def __init__(self, pool: Pool):
        self.app = _build(pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            _check_query(request.query_params)
            if request.method == "POST":
                receive = await _checked_body(request)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        if scope["path"] == scope["root_path"] + "/stac":
            await RedirectResponse("stac/", 307)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _check_query(given: QueryParams) -> None:
    asked: dict[str, Any] = dict(given)
    for name in ("query", "intersects"):
        if (text := given.get(name)) is not None:
            try:
                # stac-fastapi unquotes these once more, so the text is checked as it will be read.
                value = asked[name] = client_json.parse(unquote_plus(text))
            except ValueError as error:
                raise Problem(400, "INVALID_PARAMETER", f"{name}: no JSON ({error})") from error
            if not isinstance(value, dict):
                raise Problem(400, "INVALID_PARAMETER", f"{name}: a JSON object")
    if (fields := given.get("fields")) and any(one.strip(" +-") == "" for one in fields.split(",")):
        raise Problem(400, "INVALID_PARAMETER", "fields: names with commas between them")
    _check_counts(asked)
    _check_datetime(given.get("datetime"))


def _check_counts(search: Mapping[str, Any]) -> None:
    """What pgstac makes a condition, an order or a column of each."""
    query, order, fields = (search.get(name) for name in ("query", "sortby", "fields"))
    counts = {
        "query": sum(map(_length, query.values())) if isinstance(query, dict) else 0,
        "sortby": _length(order),
        "fields": sum(map(_length, fields.values())) if isinstance(fields, dict) else _length(fields),
    }
    for name, count in counts.items():
        if count > MOST_CONDITIONS:
            raise Problem(400, "INVALID_PARAMETER", f"{name}: at most {MOST_CONDITIONS}, not {count}: ask for less at once")


def _length(value: Any) -> int:
    """Of names with commas between them, or of an array or object. Other kinds of values are refused by stac-fastapi."""
    if isinstance(value, str):
        return value.count(",") + 1
    return len(value) if isinstance(value, list | dict) else 0


def _check_datetime(text: Any) -> None:
    """Moments before the first or after the last year there is, once they are told in UTC. All else stac-fastapi refuses itself."""
    for end in text.split("/") if isinstance(text, str) else ():
        try:
            rfc3339_str_to_datetime(end).astimezone(UTC)
        except OverflowError as error:
            raise Problem(400, "INVALID_PARAMETER", "datetime: from year 1 to year 9999, in UTC") from error
        except ValueError:
            continue


async def _checked_body(request: Request) -> Receive:
    """Reads the body, which must be one JSON object of a sane size, and gives it to read again."""
    body, search = await client_json.read(request, LARGEST_SEARCH)
    if not isinstance(search, dict):
        raise Problem(400, "INVALID_PARAMETER", "A search is a JSON object.")
    _check_counts(search)
    _check_datetime(search.get("datetime"))

    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return unread.pop() if unread else await request.receive()

    return again


def _build(pool: Pool) -> FastAPI:
    settings = Settings(
        enable_transactions_extensions=False,
        stac_fastapi_title="Terrane",
        stac_fastapi_description="Every dataset this server publishes.",
        prefix_path="/stac",
        openapi_url="/stac/api",
        docs_url="",  # none: ours is below, without a CDN
    )
    api = instantiate_api(client=ReadOnlyClient, settings=settings)
    api.client.landing_page_id = "terrane"
    app = api.app
    app.state.readpool = pool
    app.state.get_connection = get_connection

    @app.get("/stac/api.html", name="swagger_ui_html", include_in_schema=False)
    async def documentation(request: Request) -> Response:
        return pages.render(request, "docs.html", {"title": "STAC", "definition": "api"})

    problems.install(app)
    return app
