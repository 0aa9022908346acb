"""Map tiles, values and the file of one raster dataset: TiTiler's endpoints below the dataset's URL."""

import logging
import os
from pathlib import Path
from typing import Annotated, Any

# Before rasterio, which reads them when it is imported: only the file itself is read, nothing is looked for beside it or elsewhere.
os.environ.update(
    GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX="128", GDAL_NUM_THREADS="1", PROJ_NETWORK="OFF", VSI_CACHE="FALSE"
)

from fastapi import APIRouter, Depends, FastAPI, Query, Request  # noqa: E402
from fastapi.responses import FileResponse  # noqa: E402
from rio_tiler import errors as rio_errors  # noqa: E402
from starlette.responses import JSONResponse, Response  # noqa: E402
from starlette.types import Receive, Scope, Send  # noqa: E402
from titiler.core.factory import TilerFactory  # noqa: E402
from titiler.extensions.wmts import wmtsExtension  # noqa: E402

from . import __version__, colours, openapi, pages, problems, raster_parameters, rendering, tile_cache  # noqa: E402
from .capabilities import Capabilities  # noqa: E402
from .problems import Problem  # noqa: E402
from .reader import RasterReader  # noqa: E402
from .registry import Route, ServedRaster  # noqa: E402
from .tile_documents import DocumentRoute  # noqa: E402
from .tile_sets import TILE_MATRIX_SETS  # noqa: E402

log = logging.getLogger("terrane.dataapi")

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def served_raster(request: Request) -> ServedRaster:
    """The one raster of the dataset."""
    return request.state.route.rasters[0]


def file_of(request: Request) -> str:
    """Path of the dataset's file. Raises 404 when its build was replaced and removed since the lookup."""
    return path_of(request, served_raster(request).file)


def path_of(request: Request, name: str) -> str:
    """Path of a served file."""
    folder: Path | None = request.app.state.files
    if folder is None:
        raise Problem(503, "FILES_NOT_SERVED", "This data API was started without a folder of files.", retry_after=60)
    path = folder / name
    if not path.is_file():
        log.warning("served file is missing", extra={"file": str(path)})
        raise Problem(404, "DATASET_WITHDRAWN", "The data behind this dataset is no longer there.")
    return str(path)


class RasterApplication:
    """The ASGI application behind every raster dataset's URL. `scope["state"]["route"]` says which dataset it is."""

    def __init__(self, files: str | None):
        self.app = app = FastAPI(
            title="Dataset",
            description="Map tiles, values and the file of one raster.",
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
        )
        app.state.files = Path(files) if files else None
        # Before TiTiler's: the first route that matches answers.
        app.include_router(self._own())
        factory = TilerFactory(
            router=APIRouter(route_class=DocumentRoute),
            reader=RasterReader,
            path_dependency=file_of,
            process_dependency=raster_parameters.algorithm,
            render_func=raster_parameters.render,
            supported_tms=TILE_MATRIX_SETS,
            add_viewer=False,
            templates=pages.TEMPLATES,
            extensions=[wmtsExtension(templates=Capabilities())],
        )
        app.include_router(factory.router, tags=["Raster"], dependencies=[Depends(raster_parameters.check)])
        problems.install(app, pages.problem_page)
        app.add_exception_handler(rio_errors.TileOutsideBounds, nothing_here)
        self._factory = factory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: Route = scope["state"]["route"]
        if not route.rasters:
            problem = Problem(404, "DATASET_WITHDRAWN", "The data behind this dataset is no longer there.")
            await problem.response()(scope, receive, send)
            return
        if (kept := await tile_cache.answer(scope, self.app.state.files)) is not None:
            await kept(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope["root_path"])
        query = rendering.completed(path, scope["query_string"], route.rasters[0].details)
        await self.app({**scope, "query_string": raster_parameters.as_json(path, query)}, receive, send)

    def _own(self) -> APIRouter:
        router = APIRouter()

        @router.get("/", tags=["Dataset"], name="landing")
        async def landing(request: Request, f: Annotated[str | None, Query(pattern="^(html|json)$")] = None) -> Response:
            """What the dataset is, and where everything about it is found."""
            route: Route = request.state.route
            served = served_raster(request)
            links = _links(request, route)
            if pages.wants_html(request):
                context = {"links": links, "raster": served, "info": served.details["raster"], "legend": colours.legend(served.details)}
                return pages.render(request, "raster.html", context)
            body: dict[str, Any] = {
                "title": route.title, "description": route.description, "links": [as_link(*one) for one in links.values()],
            }  # fmt: skip
            if route.attribution:
                body["attribution"] = route.attribution
            if route.bbox:
                crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
                body["extent"] = {"spatial": {"bbox": [route.bbox], "crs": crs}}
            return JSONResponse(body)

        @router.get("/conformance", tags=["Dataset"])
        async def conformance() -> Response:
            """The standards these endpoints keep to."""
            return JSONResponse({"conformsTo": sorted(self._factory.conforms_to)})

        @router.get("/item", tags=["Dataset"], name="item")
        async def item(request: Request) -> Response:
            """The STAC item of this build, as the catalogue has it."""
            route: Route = request.state.route
            if route.item is None:
                raise Problem(404, "NOT_FOUND", "This dataset has no STAC item.")
            links = [{"rel": "self", "type": "application/geo+json", "href": str(request.url_for("item"))}]
            if (catalogued := pages.stac_item_url(request, route)) is not None:
                links.append({"rel": "canonical", "type": "application/geo+json", "href": catalogued})
                links.append({"rel": "collection", "type": "application/json", "href": catalogued.rsplit("/items/", 1)[0]})
            return JSONResponse({**route.item, "links": links}, media_type="application/geo+json")

        @router.get(
            "/data.tif", tags=["Dataset"], name="data", response_class=Response,
            responses={200: {"content": {COG: {}}, "description": "The file."}, 206: {"description": "A part of it."}},
        )  # fmt: skip
        async def data(request: Request, path: Annotated[str, Depends(file_of)]) -> Response:
            """The cloud-optimised GeoTIFF itself; readers may ask for ranges of it."""
            served = served_raster(request)
            name = request.state.route.name
            file = f"{name.dataset}_{name.resource}_{name.version}.tif"
            if request.state.bodyless:
                return Response(None, 200, {"Content-Length": str(served.bytes), "Accept-Ranges": "bytes"}, media_type=COG)
            return FileResponse(path, media_type=COG, filename=file)

        tile_cache.download(router)
        documentation(router)
        return router


def documentation(router: APIRouter) -> None:
    """The OpenAPI document of one dataset, and a page that shows it."""

    @router.get("/api", name="openapi", include_in_schema=False)
    async def definition(request: Request) -> Response:
        document = openapi.of_dataset(request.app, request.state.route, str(request.base_url).rstrip("/"))
        return JSONResponse(document, media_type="application/vnd.oai.openapi+json;version=3.0")

    @router.get("/api.html", name="swagger_ui_html", include_in_schema=False)
    async def page(request: Request) -> Response:
        return pages.render(request, "docs.html", {"title": request.state.route.title, "definition": "api"})


async def nothing_here(request: Request, error: Exception) -> Response:
    """A tile beside the raster is empty, not missing: maps ask for every tile they show."""
    return Response(None, 204)


Link = tuple[str, str, str, str]


def as_link(rel: str, media: str, href: str, title: str) -> dict[str, str]:
    return {"rel": rel, "type": media, "href": href, "title": title}


def _links(request: Request, route: Route) -> dict[str, Link]:
    """Where everything about a dataset is, by what it is for: relation, media type, URL, title."""
    here = str(request.base_url).rstrip("/")
    links: dict[str, Link] = {
        "self": ("self", "application/json", f"{here}/", route.title),
        "alternate": ("alternate", "text/html", f"{here}/?f=html", "This page as HTML"),
        "definition": ("service-desc", "application/vnd.oai.openapi+json;version=3.0", f"{here}/api", "API definition"),
        "documentation": ("service-doc", "text/html", f"{here}/api.html", "API documentation"),
        "conformance": ("conformance", "application/json", f"{here}/conformance", "Conformance"),
        "item": ("describedby", "application/geo+json", f"{here}/item", "STAC item"),
        "data": ("enclosure", COG, f"{here}/data.tif", "Cloud-optimised GeoTIFF"),
        "preview": ("preview", "image/png", f"{here}/preview.png", "A small picture"),
        "tilesets": ("http://www.opengis.net/def/rel/ogc/1.0/tilesets-map", "application/json", f"{here}/tiles", "Map tiles"),
        "tilejson": ("tiles", "application/json", f"{here}/WebMercatorQuad/tilejson.json", "TileJSON"),
        "wmts": ("tiles", "application/xml", f"{here}/WMTSCapabilities.xml", "WMTS"),
        "info": ("about", "application/json", f"{here}/info", "Bands, size and reference system"),
        "statistics": ("about", "application/json", f"{here}/statistics", "Statistics of the bands, from a sample"),
    }
    if route.tile_cache is not None:
        links["kept"] = ("enclosure", tile_cache.MBTILES, f"{here}/tiles.mbtiles", "Map tiles of the low zooms, MBTiles")
    if stac := pages.stac_item_url(request, route):
        links["catalogued"] = ("canonical", "application/geo+json", stac, "STAC item in the catalogue")
    return links

