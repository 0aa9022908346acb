"""Map tiles and values of many rasters as one: TiTiler's mosaic endpoints below the dataset's URL.

Which scenes a tile needs is told by their boxes in the routes registry, for a preview as for what is published; the STAC catalogue is
for people who look for scenes. From afar one small picture of all scenes is read instead of every one of them.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import attr
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi.responses import FileResponse
from morecantile import TileMatrixSet
from rasterio.crs import CRS
from rasterio.warp import transform_bounds
from rio_tiler import errors as rio_errors
from rio_tiler.constants import WGS84_CRS
from rio_tiler.io import Reader
from rio_tiler.models import ImageData
from rio_tiler.mosaic.backend import BaseBackend
from rio_tiler.mosaic.methods.base import MosaicMethodBase
from rio_tiler.mosaic.methods.defaults import FirstMethod
from rio_tiler.types import BBox
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from titiler.core.resources.enums import ImageType
from titiler.mosaic.extensions.wmts import wmtsExtension
from titiler.mosaic.factory import MosaicTilerFactory

from . import __version__, colours, mosaic_json, pages, problems, raster_parameters, rendering, tile_cache
from .capabilities import Capabilities
from .pages import extents
from .problems import Problem
from .raster import COG, as_link, documentation, nothing_here, path_of
from .reader import RasterReader
from .registry import Registry, Route, Scene
from .scene_work import SceneWork
from .tile_documents import DocumentRoute
from .tile_sets import TILE_MATRIX_SETS, WHOLE_WORLD, ClippedExtent

# Builds whose scenes are kept in memory.
_KEPT = 64
# Pixels of a tile's side by which it is told whether the small picture is fine enough.
_TILE = 256


class Asset(str):
    """A scene's id, which answers tell of, with the path of its file, which they do not."""

    path: str

    def __new__(cls, scene: str, path: str) -> "Asset":
        made = super().__new__(cls, scene)
        made.path = path
        return made


@attr.s
class SceneReader(RasterReader):
    """The reader of a scene's file."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.input, Asset):
            self.input = self.input.path
        super().__attrs_post_init__()


@dataclass(frozen=True)
class Mosaic:
    """The scenes of one build, the uppermost first, with the paths of their files."""

    scenes: tuple[tuple[Scene, str], ...]
    overview: tuple[Scene, str] | None
    bbox: tuple[float, float, float, float]
    # Of every scene.
    bands: int = 1

    @property
    def finest(self) -> str:
        """The file whose pixels say how far a map can be zoomed in. Scenes may differ."""
        _, path = min(self.scenes, key=lambda one: _degrees_per_pixel(one[0]))
        return path

    def within(self, west: float, south: float, east: float, north: float) -> list[Asset]:
        """The scenes that touch a box of degrees."""
        return [Asset(scene.id, path) for scene, path in self._touching(west, south, east, north)]

    def pixel(self, west: float, south: float, east: float, north: float) -> tuple[float, float] | None:
        """The finest pixels of the scenes that touch a box, in degrees across and down; None: no scene does."""
        touching = [scene for scene, _ in self._touching(west, south, east, north)]
        if not touching:
            return None
        down = min(max(scene.bbox[3] - scene.bbox[1], 1e-12) / scene.height for scene in touching)
        return min(_degrees_per_pixel(scene) for scene in touching), down

    def _touching(self, west: float, south: float, east: float, north: float) -> Iterator[tuple[Scene, str]]:
        wanted = extents([_around(west), south, _around(east), north]) if east - west < 360 else [[-180, south, 180, north]]
        return (one for one in self.scenes if any(_meet(box, asked) for box in extents(one[0].bbox) for asked in wanted))

    def assets(self, west: float, south: float, east: float, north: float, pixels: int) -> list[Asset]:
        """What is read for a picture of a box, `pixels` wide: scenes, or the small picture where that is fine enough."""
        if self.overview is not None:
            scene, path = self.overview
            if (east - west) / pixels >= _degrees_per_pixel(scene):
                return [Asset("overview", path)]
        return self.within(west, south, east, north)


def _degrees_per_pixel(scene: Scene) -> float:
    """A pixel's width, also in a scene across the antimeridian."""
    west, _, east, _ = scene.bbox
    return (east - west if west < east else east - west + 360) / scene.width


def _around(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def _meet(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]


@lru_cache(maxsize=256)
def _zooms(path: str, tms_id: str) -> tuple[int, int]:
    """Zooms of a scene's pixels and of its smallest overview. A file never changes."""
    with RasterReader(path, tms=TILE_MATRIX_SETS.get(tms_id)) as file:
        return file.minzoom, file.maxzoom


@attr.s
class SceneBackend(ClippedExtent, BaseBackend):
    """rio-tiler's mosaic over the scenes of the routes registry."""

    input: Mosaic = attr.ib()
    tms: TileMatrixSet = attr.ib(default=WHOLE_WORLD)
    reader: type[Reader] = attr.ib(default=SceneReader)
    reader_options: dict = attr.ib(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.bounds = self.input.bbox
        self.crs = WGS84_CRS
        self.minzoom, self.maxzoom = _zooms(self.input.finest, self.tms.id)
        if self.input.overview is not None:
            self.minzoom, _ = _zooms(self.input.overview[1], self.tms.id)
        self._work = SceneWork()

    def tile(
        self, x: int, y: int, z: int, *, pixel_selection: type[MosaicMethodBase] = FirstMethod, tilesize: int | None = None,
        buffer: float | None = None, **more: Any,
    ) -> tuple[ImageData, list[str]]:  # fmt: skip
        """A tile, as rio-tiler's; refused where so many scenes take too much."""
        if self._work.counts(pixel_selection):
            side = (tilesize or _TILE) + int(2 * (buffer or 0))
            self._work.add(pixel_selection, len(self.assets_for_tile(x, y, z)), side * side, self._bands(more))
        return super().tile(x, y, z, pixel_selection=pixel_selection, tilesize=tilesize, buffer=buffer, **more)

    def part(
        self, bbox: BBox, bounds_crs: CRS = WGS84_CRS, *, pixel_selection: type[MosaicMethodBase] = FirstMethod, **more: Any
    ) -> tuple[ImageData, list[str]]:
        """A picture of a box, as rio-tiler's; refused where so many scenes take too much."""
        if self._work.counts(pixel_selection) and (assets := self.assets_for_bbox(*bbox, coord_crs=bounds_crs)):
            # The first scene that is read says how large the picture is.
            with self.reader(assets[0]) as first:
                width, height = first.size_of(bbox, bounds_crs, **more)
            self._work.add(pixel_selection, len(assets), width * height, self._bands(more))
        return super().part(bbox, bounds_crs, pixel_selection=pixel_selection, **more)

    def _bands(self, asked: dict[str, Any]) -> int:
        """Bands of a picture."""
        if expression := asked.get("expression"):
            return len([formula for formula in expression.split(";") if formula.strip()])
        return len(asked.get("indexes") or ()) or self.input.bands

    def assets_for_tile(self, x: int, y: int, z: int, **_: Any) -> list[Asset]:
        west, south, east, north = self.tms.bounds(x, y, z)
        return self.input.assets(west, south, east, north, _TILE)

    def assets_for_point(self, lng: float, lat: float, coord_crs: CRS | None = None, **_: Any) -> list[Asset]:
        if coord_crs and coord_crs != WGS84_CRS:
            lng, lat, *_rest = transform_bounds(coord_crs, WGS84_CRS, lng, lat, lng, lat)
        return self.input.within(lng - 1e-9, lat - 1e-9, lng + 1e-9, lat + 1e-9)

    def assets_for_bbox(
        self, xmin: float, ymin: float, xmax: float, ymax: float, coord_crs: CRS | None = None, **_: Any
    ) -> list[Asset]:
        if coord_crs and coord_crs != WGS84_CRS:
            xmin, ymin, xmax, ymax = transform_bounds(coord_crs, WGS84_CRS, xmin, ymin, xmax, ymax)
        return self.input.assets(xmin, ymin, xmax, ymax, raster_parameters.LARGEST_PICTURE)


def mosaic_of(request: Request) -> Mosaic:
    """The mosaic of a request's build, as MosaicApplication has looked it up."""
    return request.state.mosaic


class MosaicApplication:
    """The ASGI application behind every mosaic's URL. `scope["state"]["route"]` says which dataset it is."""

    def __init__(self, registry: Registry, files: str | None):
        self._registry = registry
        self._kept: OrderedDict[tuple[int, int], list[Scene]] = OrderedDict()
        self.app = app = FastAPI(
            title="Dataset",
            description="Map tiles and values of many rasters as one, and their files.",
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
        )
        app.state.files = FilePath(files) if files else None
        factory = MosaicTilerFactory(
            router=APIRouter(route_class=DocumentRoute),
            backend=SceneBackend,
            dataset_reader=SceneReader,
            path_dependency=mosaic_of,
            process_dependency=raster_parameters.algorithm,
            render_func=raster_parameters.render,
            supported_tms=TILE_MATRIX_SETS,
            add_viewer=False,
            add_part=True,
            add_statistics=True,
            templates=pages.TEMPLATES,
            extensions=[wmtsExtension(templates=Capabilities())],
        )
        self._factory = factory
        app.include_router(self._own(), dependencies=[Depends(raster_parameters.check)])
        app.include_router(factory.router, tags=["Mosaic"], dependencies=[Depends(raster_parameters.check)])
        problems.install(app, pages.problem_page)
        for error in (rio_errors.NoAssetFoundError, rio_errors.EmptyMosaicError, rio_errors.TileOutsideBounds):
            app.add_exception_handler(error, _nothing_here)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: Route = scope["state"]["route"]
        request = Request(scope)
        if (kept := await tile_cache.answer(scope, self.app.state.files)) is not None:
            await kept(scope, receive, send)
            return
        try:
            mosaic = await self._mosaic(route, request)
        except Exception as error:
            await problems.translate(error, request).response()(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope["root_path"])
        query = raster_parameters.as_json(path, rendering.completed(path, scope["query_string"], route.rasters[0].details))
        state = {**scope["state"], "mosaic": mosaic}
        await self.app({**scope, "query_string": query, "state": state}, receive, send)

    async def _mosaic(self, route: Route, request: Request) -> Mosaic:
        key = (route.dataset_pk, route.build)
        scenes = self._kept.get(key) or await self._registry.scenes(route)
        if scenes:
            # Only those there are: a dataset that is withdrawn may come back, as the same build.
            self._kept[key] = scenes
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if not scenes or not route.rasters or not route.bbox:
            raise Problem(404, "DATASET_WITHDRAWN", "The data behind this dataset is no longer there.")
        folder = self.app.state.files
        if folder is None:
            raise Problem(503, "FILES_NOT_SERVED", "This data API was started without a folder of files.", retry_after=60)
        located = [(scene, str(folder / scene.file)) for scene in scenes]
        west, south, east, north = route.bbox
        # Across the antimeridian it is the whole world, for clients that know no other way.
        box = (west, south, east, north) if west < east else (-180.0, south, 180.0, north)
        return Mosaic(
            tuple(one for one in located if one[0].role is None),
            next((one for one in located if one[0].role == "overview"), None),
            box,
            len(route.rasters[0].details["raster"]["bands"]),
        )

    def _own(self) -> APIRouter:
        router = APIRouter()

        @router.get("/", tags=["Dataset"], name="landing")
        async def landing(request: Request, f: Annotated[str | None, Query(pattern="^(html|json)$")] = None) -> Response:
            """What the dataset is, and where everything about it is found."""
            route: Route = request.state.route
            links = _links(request, route)
            info = route.rasters[0].details["raster"]
            if pages.wants_html(request):
                scenes = [scene for scene, _ in mosaic_of(request).scenes]
                context = {
                    "links": links, "info": info, "scenes": scenes, "bands": await self._registry.bands(route),
                    "legend": colours.legend(route.rasters[0].details),
                }  # fmt: skip
                return pages.render(request, "mosaic.html", context)
            body: dict[str, Any] = {
                "title": route.title, "description": route.description, "links": [as_link(*one) for one in links.values()],
                "scenes": len(mosaic_of(request).scenes),
            }  # fmt: skip
            if route.attribution:
                body["attribution"] = route.attribution
            body["extent"] = {"spatial": {"bbox": [route.bbox], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
            return JSONResponse(body)

        @router.get("/conformance", tags=["Dataset"])
        async def conformance() -> Response:
            """The standards these endpoints keep to."""
            return JSONResponse({"conformsTo": sorted(self._factory.conforms_to)})

        @router.get("/info", tags=["Dataset"])
        async def info(request: Request) -> Response:
            """How many scenes there are, and what they have in common."""
            route: Route = request.state.route
            raster = route.rasters[0].details["raster"]
            mosaic = mosaic_of(request)
            return JSONResponse({
                "bounds": route.bbox, "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "scenes": len(mosaic.scenes),
                "overview": mosaic.overview is not None, "count": len(raster["bands"]), "dtype": raster["bands"][0]["type"],
                "colorinterp": [band["colour"] for band in raster["bands"]], "kind": raster["kind"], "scene_crs": raster["crs"],
            })  # fmt: skip

        @router.get("/mosaic.json", tags=["Dataset"])
        def mosaicjson(request: Request) -> Response:
            """The scenes as MosaicJSON 0.0.3, for other tile servers."""
            mosaic = mosaic_of(request)
            low, high = _zooms(mosaic.finest, "WebMercatorQuad")
            here = str(request.base_url).rstrip("/")
            scenes = [(scene, f"{here}/scenes/{scene.id}.tif") for scene, _ in mosaic.scenes]
            return JSONResponse(mosaic_json.of(request.state.route.title, scenes, low, high))

        @router.get("/scenes", tags=["Scenes"])
        async def scenes(request: Request) -> Response:
            """Every scene, the uppermost first."""
            here = str(request.base_url).rstrip("/")
            listed = [
                {"id": scene.id, "bbox": scene.bbox, "width": scene.width, "height": scene.height, "bytes": scene.bytes,
                 "item": f"{here}/scenes/{scene.id}", "data": f"{here}/scenes/{scene.id}.tif", "preview": f"{here}/scenes/{scene.id}.png"}
                for scene, _ in mosaic_of(request).scenes
            ]  # fmt: skip
            return JSONResponse({"numberMatched": len(listed), "scenes": listed})

        @router.get(
            "/scenes/{scene}.tif", tags=["Scenes"], response_class=Response,
            responses={200: {"content": {COG: {}}, "description": "The file."}, 206: {"description": "A part of it."}},
        )  # fmt: skip
        async def data(request: Request, scene: Annotated[str, Path()]) -> Response:
            """A scene's cloud-optimised GeoTIFF; readers may ask for ranges of it."""
            found, _ = _scene(request, scene)
            path = path_of(request, found.file)
            if request.state.bodyless:
                return Response(None, 200, {"Content-Length": str(found.bytes), "Accept-Ranges": "bytes"}, media_type=COG)
            return FileResponse(path, media_type=COG, filename=f"{found.id}.tif")

        @router.get("/scenes/{scene}.png", tags=["Scenes"], response_class=Response, responses={200: {"content": {"image/png": {}}}})
        def preview_of_scene(
            request: Request,
            scene: Annotated[str, Path()],
            layer: Annotated[Any, Depends(self._factory.layer_dependency)],
            colormap: Annotated[Any, Depends(self._factory.colormap_dependency)],
            render: Annotated[Any, Depends(self._factory.render_dependency)],
        ) -> Response:
            """A small picture of a scene."""
            found, _ = _scene(request, scene)
            with Reader(path_of(request, found.file)) as file:
                image = file.preview(max_size=512, **layer.as_dict())
                own = file.colormap
            content, media = raster_parameters.render(image, output_format=ImageType.png, colormap=colormap or own, **render.as_dict())
            return Response(content, media_type=media)

        @router.get("/scenes/{scene}", tags=["Scenes"])
        async def item(request: Request, scene: Annotated[str, Path()]) -> Response:
            """A scene's STAC item, as the catalogue has it."""
            found, _ = _scene(request, scene)
            told = await self._registry.scene_item(request.state.route, found.id)
            if told is None:
                raise Problem(404, "NOT_FOUND", "There is no such scene.")
            links = [{"rel": "self", "type": "application/geo+json", "href": str(request.url)}]
            return JSONResponse({**told, "links": links}, media_type="application/geo+json")

        @router.get("/preview.{format}", tags=["Mosaic"], response_class=Response)
        def preview(
            request: Request,
            format: Annotated[Literal["png", "jpeg", "jpg", "webp"], Path()],
            layer: Annotated[Any, Depends(self._factory.layer_dependency)],
            colormap: Annotated[Any, Depends(self._factory.colormap_dependency)],
            render: Annotated[Any, Depends(self._factory.render_dependency)],
            max_size: Annotated[int, Query(ge=1, le=raster_parameters.LARGEST_PICTURE)] = 1024,
        ) -> Response:
            """A small picture of all scenes."""
            mosaic = mosaic_of(request)
            if mosaic.overview is not None:
                with Reader(mosaic.overview[1]) as file:
                    image = file.preview(max_size=max_size, **layer.as_dict())
                    own = file.colormap
            else:
                with SceneBackend(mosaic) as backend:
                    image, _ = backend.part(mosaic.bbox, max_size=max_size, **layer.as_dict())
                    own = None
            how = {"output_format": ImageType(format), "colormap": colormap or own, **render.as_dict()}
            content, media = raster_parameters.render(image, **how)
            return Response(content, media_type=media)

        tile_cache.download(router)
        documentation(router)
        return router


def _scene(request: Request, scene: str) -> tuple[Scene, str]:
    for found in mosaic_of(request).scenes:
        if found[0].id == scene:
            return found
    raise Problem(404, "NOT_FOUND", "There is no such scene.")


async def _nothing_here(request: Request, error: Exception) -> Response:
    """A tile without scenes is empty, as one beside a raster; any other question finds nothing."""
    if request.url.path.removeprefix(request.scope["root_path"]).startswith("/tiles/"):
        return await nothing_here(request, error)
    return Problem(404, "OUTSIDE", "No scene lies there.").response()


def _links(request: Request, route: Route) -> dict[str, tuple[str, str, str, str]]:
    """Where everything about a mosaic is, by what it is for: relation, media type, URL, title."""
    here = str(request.base_url).rstrip("/")
    links = {
        "self": ("self", "application/json", f"{here}/", route.title),
        "alternate": ("alternate", "text/html", f"{here}/?f=html", "This page as HTML"),
        "definition": ("service-desc", "application/vnd.oai.openapi+json;version=3.0", f"{here}/api", "API definition"),
        "documentation": ("service-doc", "text/html", f"{here}/api.html", "API documentation"),
        "conformance": ("conformance", "application/json", f"{here}/conformance", "Conformance"),
        "scenes": ("items", "application/json", f"{here}/scenes", "Scenes"),
        "mosaicjson": ("enclosure", "application/json", f"{here}/mosaic.json", "MosaicJSON"),
        "preview": ("preview", "image/png", f"{here}/preview.png", "A small picture"),
        "tilesets": ("http://www.opengis.net/def/rel/ogc/1.0/tilesets-map", "application/json", f"{here}/tiles", "Map tiles"),
        "tilejson": ("tiles", "application/json", f"{here}/WebMercatorQuad/tilejson.json", "TileJSON"),
        "wmts": ("tiles", "application/xml", f"{here}/WMTSCapabilities.xml", "WMTS"),
        "info": ("about", "application/json", f"{here}/info", "What the scenes have in common"),
    }
    if route.tile_cache is not None:
        links["kept"] = ("enclosure", tile_cache.MBTILES, f"{here}/tiles.mbtiles", "Map tiles of the low zooms, MBTiles")
    if route.stac_collection and not route.is_preview:
        site = str(request.base_url.replace(path=request.state.site_root)).rstrip("/")
        links["catalogued"] = ("describedby", "application/json", f"{site}/stac/collections/{route.stac_collection}", "STAC collection")
    return links
