"""STAC API over pgstac, below /stac."""

import json
from typing import Any
from urllib.parse import unquote_plus

import orjson
from fastapi import FastAPI
from stac_fastapi.pgstac.app import instantiate_api
from stac_fastapi.pgstac.config import Settings
from stac_fastapi.pgstac.core import CoreCrudClient
from stac_fastapi.pgstac.db import get_connection
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from . import filters, pages, problems
from .database import Pool
from .problems import Problem

LARGEST_BODY = 1024 * 1024


class ReadOnlyClient(CoreCrudClient):
    """stac-fastapi's client for a database it may only read, and for searches nobody has checked yet."""

    async def _search_base(self, search_request: Any, request: Request) -> Any:
        # `conf` is pgstac's own switchboard; a client has no business in it.
        search_request.conf = None
        if (box := search_request.bbox) is not None and len(box) == 6:
            # PostGIS makes a solid of six numbers and then refuses to intersect it.
            search_request.bbox = (box[0], box[1], box[3], box[4])
        if (condition := getattr(search_request, "filter_expr", None)) is not None:
            search_request.filter_expr = filters.check(condition)
        return await super()._search_base(search_request, request)

    def _clean_search_args(self, base_args: dict[str, Any], **named: Any) -> dict[str, Any]:
        if text := named.get("filter_query"):
            named["filter_query"] = json.dumps(filters.parse(text, named.get("filter_lang")))
            named["filter_lang"] = "cql2-json"
        box = base_args.get("bbox")
        if box is not None and len(box) == 6:
            base_args = {**base_args, "bbox": (box[0], box[1], box[3], box[4])}
        return super()._clean_search_args(base_args, **named)


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
    for name in ("query", "intersects"):
        if (text := given.get(name)) is not None:
            try:
                # stac-fastapi unquotes these once more, so the text is checked as it will be read.
                value = orjson.loads(unquote_plus(text))
            except orjson.JSONDecodeError as error:
                raise Problem(400, "INVALID_PARAMETER", f"{name}: no JSON ({error})") from error
            if not isinstance(value, dict):
                raise Problem(400, "INVALID_PARAMETER", f"{name}: a JSON object")
    if (fields := given.get("fields")) and any(one.strip(" +-") == "" for one in fields.split(",")):
        raise Problem(400, "INVALID_PARAMETER", "fields: names with commas between them")


async def _checked_body(request: Request) -> Receive:
    """Reads the body, which must be one JSON object of a sane size, and gives it to read again."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise Problem(413, "BODY_TOO_LARGE", f"A search may have {LARGEST_BODY} bytes.")
    try:
        search = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "INVALID_PARAMETER", f"The body is no JSON: {error}") from error
    if not isinstance(search, dict):
        raise Problem(400, "INVALID_PARAMETER", "A search is a JSON object.")

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
