"""Map tiles that were drawn beforehand: an MBTiles file of a dataset's low zooms.

It holds what would be drawn for a request that does not say how tiles are to look, so nobody sees where it ends: what it does not have
is drawn. Our own map and TileJSON ask in these words where there are kept tiles, so that they get them.
"""

import logging
import re
import sqlite3
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from rio_tiler.utils import CRS_to_uri
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Scope

from .problems import Problem
from .registry import Route
from .tile_sets import TILE_MATRIX_SETS

log = logging.getLogger("terrane.dataapi")

MBTILES = "application/vnd.sqlite3"

# As PNG, or in a format of the server's choice.
_TILE = re.compile(r"/tiles/WebMercatorQuad/([0-9]{1,2})/([0-9]{1,9})/([0-9]{1,9})(?:\.png)?")
# Queries that say nothing of how a tile is to look: kept tiles have the size that is drawn where none is named.
_PLAIN = (b"", b"tilesize=256")
# Side of a kept tile, in pixels.
SIDE = 256
_TILE_SET = TILE_MATRIX_SETS.get("WebMercatorQuad")
_SELECT = "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"


async def answer(scope: Scope, files: Path | None) -> Response | None:
    """The kept tile of a request; None: it has to be drawn."""
    route: Route = scope["state"]["route"]
    if route.tile_cache is None or files is None or scope["query_string"] not in _PLAIN or scope["method"] != "GET":
        return None
    asked = _TILE.fullmatch(scope["path"].removeprefix(scope["root_path"]))
    if asked is None:
        return None
    zoom, column, row = (int(part) for part in asked.groups())
    if zoom > route.tile_cache.maxzoom:
        return None
    # MBTiles counts rows from below.
    tile = await run_in_threadpool(_read, files / route.tile_cache.file, zoom, column, 2**zoom - 1 - row)
    return None if tile is None else Response(tile, media_type="image/png", headers=_place(zoom, column, row))


def _place(zoom: int, column: int, row: int) -> dict[str, str]:
    """Where a tile lies, as the answers tell that are drawn."""
    box = ",".join(map(str, _TILE_SET.xy_bounds(column, row, zoom)))
    return {"Content-Bbox": box, "Content-Crs": f"<{CRS_to_uri(_TILE_SET.rasterio_crs)}>"}


def _read(path: Path, zoom: int, column: int, row: int) -> bytes | None:
    try:
        # A served file never changes, and nothing may be written beside it.
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            found = connection.execute(_SELECT, (zoom, column, row)).fetchone()
        finally:
            connection.close()
    except (sqlite3.Error, OverflowError) as error:
        log.warning("kept tiles cannot be read", extra={"file": str(path), "error": str(error)})
        return None
    return found[0] if found else None


def download(router: APIRouter) -> None:
    """The file itself, for maps without a server."""

    @router.get(
        "/tiles.mbtiles", tags=["Dataset"], response_class=Response,
        responses={200: {"content": {MBTILES: {}}, "description": "The file."}, 206: {"description": "A part of it."}},
    )  # fmt: skip
    async def tiles(request: Request) -> Response:
        """Map tiles of the low zooms as one MBTiles file, where they were drawn beforehand."""
        route: Route = request.state.route
        files: Path | None = request.app.state.files
        if route.tile_cache is None:
            raise Problem(404, "NOT_FOUND", "No tiles of this dataset were drawn beforehand.")
        if files is None:
            raise Problem(503, "FILES_NOT_SERVED", "This data API was started without a folder of files.", retry_after=60)
        path = files / route.tile_cache.file
        if not path.is_file():
            log.warning("served file is missing", extra={"file": str(path)})
            raise Problem(404, "DATASET_WITHDRAWN", "The data behind this dataset is no longer there.")
        if request.state.bodyless:
            headers = {"Content-Length": str(route.tile_cache.bytes), "Accept-Ranges": "bytes"}
            return Response(None, 200, headers, media_type=MBTILES)
        name = route.name
        return FileResponse(path, media_type=MBTILES, filename=f"{name.dataset}_{name.resource}_{name.version}.mbtiles")
