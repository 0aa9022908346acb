"""What is told of map tiles: TileJSON and OGC API's tile sets, as TiTiler makes them, put right where they do not fit.

TiTiler knows nothing of kept tiles and of the dataset's title, and its models encode the braces of a template.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import tile_cache
from .client_json import JSONRoute
from .registry import Route
from .tile_sets import TILE_MATRIX_SETS

# Of the document, not of the tiles it leads to.
_OWN = {"f", "minzoom", "maxzoom", "crs"}


class DocumentRoute(JSONRoute):
    """A route of TiTiler's; what it tells of tiles is put right on its way out."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        mend = _MENDED.get(self.path)
        if mend is None:
            return answer

        async def mended(request: Request) -> Response:
            told = json.loads((await answer(request)).body)
            mend(request, told)
            return JSONResponse(told)

        return mended


def _tile_json(request: Request, told: dict[str, Any]) -> None:
    """TileJSON has no word for a tile's size; MapLibre reads this one, and takes 512 where it is missing."""
    route: Route = request.state.route
    told["name"] = route.title
    address, _, query = told["tiles"][0].partition("?")
    names = request.query_params
    if route.tile_cache is not None and "tilesize" not in names and query.startswith("tilesize=") and "&" not in query:
        if request.path_params["tileMatrixSetId"] == "WebMercatorQuad" and names.get("tile_format", "png") == "png":
            # Whoever does not say otherwise gets the kept tiles, which begin at zoom 0.
            told["tiles"], told["tileSize"] = [address], tile_cache.SIDE
            if "minzoom" not in names:
                told["minzoom"] = 0
            return
    told["tileSize"] = int(dict(parse_qsl(query))["tilesize"])


def _tile_set_list(request: Request, told: dict[str, Any]) -> None:
    for name, one in zip(TILE_MATRIX_SETS.list(), told["tilesets"], strict=True):
        _describe(request, name, one)


def _tile_set(request: Request, told: dict[str, Any]) -> None:
    _describe(request, request.path_params["tileMatrixSetId"], told)


def _describe(request: Request, name: str, told: dict[str, Any]) -> None:
    route: Route = request.state.route
    told["title"] = f"{route.title} ({name})"
    told["tileMatrixSetURI"] = str(TILE_MATRIX_SETS.get(name).uri)
    if route.attribution:
        told["attribution"] = route.attribution
    for link in told["links"]:
        address, _, query = link["href"].partition("?")
        asked = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key.lower() not in _OWN]
        link["href"] = address + ("?" + urlencode(asked) if asked else "")
        if link["rel"] == "tile":
            for variable in "zxy":
                link["href"] = link["href"].replace(f"%7B{variable}%7D", f"{{{variable}}}")
            link |= {"title": "Map tiles", "templated": True}
        elif link["rel"] == "self":
            link["title"] = told["title"]


_MENDED: dict[str, Callable[[Request, dict[str, Any]], None]] = {
    "/{tileMatrixSetId}/tilejson.json": _tile_json,
    "/tiles": _tile_set_list,
    "/tiles/{tileMatrixSetId}": _tile_set,
}
