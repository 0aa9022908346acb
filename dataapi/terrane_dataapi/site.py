"""What belongs to no dataset: the index, the documentation, health, and the pages' assets."""

from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import JSONResponse, Response

from . import __version__, assets, openapi, pages, problems
from .registry import Registry

PAGE = 50


def build(registry: Registry, kinds: list[FastAPI]) -> FastAPI:
    app = FastAPI(
        title="Terrane data API",
        description="Published datasets: vectors as OGC API Features and Tiles, rasters as map tiles and files. The STAC catalogue has a document of its own.",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )

    @app.get("/", tags=["Server"])
    async def index(
        request: Request,
        q: Annotated[str, Query(max_length=200, description="Words of a title or an id.")] = "",
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Response:
        """The published datasets, newest first."""
        found, matched = await registry.public(q.strip(), PAGE, offset)
        if pages.wants_html(request):
            context = {"routes": found, "matched": matched, "q": q, "offset": offset, "page": PAGE}
            return pages.render(request, "index.html", context)
        site = str(request.base_url).rstrip("/")
        listed = [
            {
                "namespace": route.name.namespace,
                "dataset_id": route.name.dataset,
                "resource_id": route.name.resource,
                "version_id": route.name.version,
                "title": route.title,
                "kind": route.kind,
                "features": route.feature_count,
                "bbox": route.bbox,
                "published_at": route.published_at.isoformat() if route.published_at else None,
                "href": site + route.name.path,
            }
            for route in found
        ]
        links = [{"rel": "service-desc", "href": f"{site}/openapi.json"}, {"rel": "search", "href": f"{site}/stac"}]
        body = {"title": "Terrane", "numberMatched": matched, "datasets": listed, "links": links}
        return JSONResponse(body, headers={"Cache-Control": "no-cache"})

    @app.get("/healthz", tags=["Server"])
    async def healthz() -> Response:
        """200 when the database answers."""
        await registry.answers()
        return JSONResponse({"ok": True}, headers={"Cache-Control": "no-store"})

    @app.get("/openapi.json", name="openapi", include_in_schema=False)
    async def definition(request: Request) -> Response:
        return JSONResponse(openapi.of_server(app, kinds, str(request.base_url).rstrip("/")))

    @app.get("/docs", name="swagger_ui_html", include_in_schema=False)
    async def documentation(request: Request) -> Response:
        return pages.render(request, "docs.html", {"title": "Data API", "definition": "openapi.json"})

    app.add_api_route("/static/{name}", assets.serve, include_in_schema=False)
    problems.install(app, pages.problem_page)
    return app
