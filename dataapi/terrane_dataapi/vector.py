"""OGC API Features and Tiles for one vector dataset: tipg's endpoints below the dataset's URL."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, urlencode

import morecantile
from fastapi import APIRouter, Depends, FastAPI, Path, Request
from morecantile.defaults import TileMatrixSets
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from tipg import collections as tipg_collections
from tipg import factory as tipg_factory
from tipg import model
from tipg.collections import CollectionList
from tipg.dependencies import OutputType
from tipg.factory import COMMON_CONFORMS, Endpoints, OGCFeaturesFactory
from tipg.factory import create_csv_rows as tipg_csv_rows
from tipg.resources.enums import MediaType
from tipg.resources.response import ORJSONResponse

from . import __version__, downloads, openapi, pages, problems
from .database import Pool
from .parameters import MOST_FEATURES, OVERRIDES, Table, others, served_table
from .registry import Route
from .tables import ServedTable, Tables

# What a request may ask for by `limit`; without it tiles.py decides.
MOST_FEATURES_PER_TILE = 50_000


async def served_tables(request: Request) -> CollectionList:
    route: Route = request.state.route
    tables: Tables = request.app.state.tables
    found = [await tables.get(route, served.id) for served in route.collections]
    return CollectionList(collections=found, matched=len(found), next=None, prev=None)


def _item_url_for(factory: OGCFeaturesFactory) -> Callable[..., str]:
    """tipg's url_for, quick at the two URLs it asks for with every feature of a page.

    Resolved through the router they take most of the time a page of 10,000 features takes.
    """
    resolve = factory.url_for

    def url_for(request: Request, name: str, **path: Any) -> str:
        if name not in ("item", "collection"):
            return resolve(request, name, **path)
        known: dict[str, str] = request.scope["state"].setdefault("collection_urls", {})
        collection = path["collectionId"]
        if collection not in known:
            known[collection] = resolve(request, "collection", collectionId=collection)
        url = known[collection]
        return url if name == "collection" else f"{url}/items/{quote(str(path['itemId']), safe='{}')}"

    return url_for


def _more_links(factory: OGCFeaturesFactory) -> Callable[..., list[model.Link]]:
    """What tipg adds to a collection's links: its tiles, where it has any, and here its files."""
    tiles = factory._additional_collection_tiles_links

    def more_links(request: Request, table: ServedTable) -> list[model.Link]:
        drawn = tiles(request, table) if table.geometry_column is not None else []
        return [*drawn, *(model.Link(**link) for link in downloads.links(request, table))]

    return more_links


class DatasetEndpoints(Endpoints):
    """tipg's endpoints with a landing page that tells of this dataset, and titles in the list of collections."""

    def register_routes(self) -> None:
        # tipg's own list gives every collection its id as title; the first route that matches answers.
        self._titled_collections()
        super().register_routes()
        self.ogc_features.url_for = _item_url_for(self.ogc_features)
        self.ogc_features._additional_collection_tiles_links = _more_links(self.ogc_features)

    def _titled_collections(self) -> None:
        @self.router.get("/collections", name="titled_collections", tags=["OGC Features API"], include_in_schema=False)
        async def collections(
            request: Request,
            collection_list: Annotated[CollectionList, Depends(self.collections_dependency)],
            output_type: Annotated[MediaType | None, Depends(OutputType)] = None,
        ) -> Response:
            def link(rel: str, route: str, media: MediaType, **path: Any) -> dict[str, str]:
                return {"rel": rel, "type": media.value, "href": self.url_for(request, route, **path)}

            listed = []
            for table in collection_list["collections"]:
                of = {"collectionId": table.id}
                described = model.Collection(
                    id=table.id,
                    title=table.title,
                    description=table.description,
                    extent=table.extent,
                    links=[
                        link("collection", "collection", MediaType.json, **of),
                        link("items", "items", MediaType.geojson, **of),
                        link("queryables", "queryables", MediaType.schemajson, **of),
                        *self.ogc_features._additional_collection_tiles_links(request, table),
                    ],
                ).model_dump(exclude_none=True, mode="json")
                listed.append({**described, "itemType": "feature"})
            data = {
                "links": [link("self", "collections", MediaType.json)],
                "numberMatched": len(listed),
                "numberReturned": len(listed),
                "collections": listed,
            }
            if output_type == MediaType.html:
                return self._create_html_response(request, data, template_name="collections", title="Collections")
            return ORJSONResponse(data)

    def _landing_route(self) -> None:
        @self.router.get("/", response_class=ORJSONResponse, tags=["OGC Common"])
        async def landing(
            request: Request, output_type: Annotated[MediaType | None, Depends(OutputType)] = None
        ) -> Response:
            """What the dataset is, and where everything about it is found."""
            route: Route = request.state.route
            if output_type == MediaType.html:
                return pages.render(request, "dataset.html", {"links": dataset_links(self, request, route)})
            here = self.url_for(request, "landing")
            links = [
                {"rel": "self", "type": "application/json", "href": here, "title": route.title},
                {"rel": "alternate", "type": "text/html", "href": here + "?f=html", "title": "This page as HTML"},
                {
                    "rel": "service-desc",
                    "type": MediaType.openapi30_json.value,
                    "href": self.url_for(request, "openapi"),
                    "title": "API definition",
                },
                {
                    "rel": "service-doc",
                    "type": "text/html",
                    "href": self.url_for(request, "swagger_ui_html"),
                    "title": "API documentation",
                },
                {
                    "rel": "conformance",
                    "type": "application/json",
                    "href": self.url_for(request, "conformance"),
                    "title": "Conformance",
                },
            ]
            if stac := pages.stac_item_url(request, route):
                links.append({"rel": "describedby", "type": "application/geo+json", "href": stac, "title": "STAC item"})
            links += [link.model_dump(exclude_none=True, mode="json") for link in self.links(request)]
            body: dict[str, Any] = {"title": route.title, "description": route.description, "links": links}
            if route.attribution:
                body["attribution"] = route.attribution
            if route.bbox:
                crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
                body["extent"] = {"spatial": {"bbox": [route.bbox], "crs": crs}}
            return ORJSONResponse(body)

    def _conformance_route(self) -> None:
        @self.router.get("/conformance", response_class=ORJSONResponse, tags=["OGC Common"])
        async def conformance(
            request: Request, output_type: Annotated[MediaType | None, Depends(OutputType)] = None
        ) -> Response:
            """The standards these endpoints keep to."""
            data = {"conformsTo": [*COMMON_CONFORMS, *self.conforms_to]}
            if output_type == MediaType.html:
                return self._create_html_response(request, data, template_name="conformance", title="Conformance")
            return ORJSONResponse(data)


def dataset_links(endpoints: DatasetEndpoints, request: Request, route: Route) -> dict[str, Any]:
    """Absolute URLs for a person to copy into another program, by what they are for."""
    tiled = []
    for served in route.collections:
        of = {"collectionId": served.id}
        items = endpoints.url_for(request, "items", **of)
        one = {"collection": served, "items": items, "files": [
            (told.title, downloads.url(request, served.id, form)) for form, told in downloads.FORMATS.items()
        ]}  # fmt: skip
        if served.geometry_type is not None:
            tms = {**of, "tileMatrixSetId": "WebMercatorQuad"}
            one["tiles"] = endpoints.url_for(request, "collection_get_tile", **tms, z="{z}", x="{x}", y="{y}")
            one["tilejson"] = endpoints.url_for(request, "collection_tilejson", **tms)
        tiled.append(one)
    return {
        "features": endpoints.url_for(request, "landing").rstrip("/"),
        "collections": tiled,
        "stac": pages.stac_item_url(request, route),
    }


def csv_rows(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """tipg's create_csv_rows, which fails in the middle of the response when there is no row to take a header from."""
    rows = iter(rows)
    if (first := next(rows, None)) is not None:
        yield from tipg_csv_rows(itertools.chain([first], rows))


class VectorApplication:
    """The ASGI application behind every vector dataset's URL. `scope["state"]["route"]` says which dataset it is."""

    def __init__(self, pool: Pool, files: Pool):
        # tipg takes these two from its modules and nowhere else.
        tipg_factory.create_csv_rows = csv_rows
        tipg_collections.mvt_settings.max_features_per_tile = MOST_FEATURES_PER_TILE
        self.app = app = FastAPI(
            title="Dataset",
            description="OGC API Features and Tiles of one dataset.",
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
        )
        app.state.pool = pool
        app.state.tables = Tables(pool)
        app.dependency_overrides.update(OVERRIDES)
        # Before tipg's routes: its factory looks these two names up.
        app.include_router(self._documentation())
        app.include_router(self._files(files), dependencies=[Depends(others)])
        endpoints = DatasetEndpoints(
            collections_dependency=served_tables,
            collection_dependency=served_table,
            supported_tms=TileMatrixSets({"WebMercatorQuad": morecantile.tms.get("WebMercatorQuad")}),
            with_tiles_viewer=False,
            templates=pages.TEMPLATES,
            router=self._documentation(),
        )
        app.include_router(endpoints.router, dependencies=[Depends(others)])
        problems.install(app, pages.problem_page)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(_with_limit_in_range(scope), receive, send)

    def _files(self, pool: Pool) -> APIRouter:
        router = APIRouter()

        @router.get(
            "/collections/{collectionId}/download.{form}",
            name="download",
            tags=["Files"],
            response_class=Response,
            responses={200: {"description": "The file.", "content": {one.media_type.value: {} for one in downloads.FORMATS.values()}}},
        )
        async def download(request: Request, table: Table, form: Annotated[downloads.Form, Path()]) -> Response:
            """The whole collection as one file: GeoJSON, GeoJSON line by line, or CSV with the geometry as WKT."""
            return downloads.Download(pool, request.state.route, table, form)

        return router

    def _documentation(self) -> APIRouter:
        router = APIRouter()

        @router.get("/api", name="openapi", include_in_schema=False)
        async def definition(request: Request) -> Response:
            """The OpenAPI document of this dataset alone."""
            document = openapi.of_dataset(request.app, request.state.route, str(request.base_url).rstrip("/"))
            return JSONResponse(document, media_type=MediaType.openapi30_json.value)

        @router.get("/api.html", name="swagger_ui_html", include_in_schema=False)
        async def documentation(request: Request) -> Response:
            return pages.render(request, "docs.html", {"title": request.state.route.title, "definition": "api"})

        return router


def _with_limit_in_range(scope: Scope) -> Scope:
    """OGC API Features, 7.15.2: a limit over the maximum is no error, the maximum is used instead."""
    query: bytes = scope["query_string"]
    if scope["type"] != "http" or b"limit=" not in query:
        return scope
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    capped = [
        (k, str(MOST_FEATURES) if k == "limit" and v.isascii() and v.isdigit() and int(v[:18]) > MOST_FEATURES else v)
        for k, v in pairs
    ]
    return scope if capped == pairs else {**scope, "query_string": urlencode(capped).encode("ascii")}
