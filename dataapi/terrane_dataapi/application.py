"""Puts the parts together."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from . import catalog, dispatch, site
from .database import DOWNLOAD, Pool
from .mosaic import MosaicApplication
from .origin import PublicOrigin
from .raster import RasterApplication
from .registry import Registry
from .vector import VectorApplication


def build(public_url: str, files_folder: str | None = None) -> ASGIApp:
    """The data API. Needs PGHOST and its like in the environment; connects when first asked for something.

    `files_folder` holds what is served as files (rasters); without one no raster is.
    """
    lookups = Pool("routes", search_path="serving", size=2)
    tables = Pool("vector", search_path="public", size=2)
    # Whoever takes a whole table has time; the processors are for those who look at it.
    alone = {"max_parallel_workers_per_gather": "0"}
    files = Pool("files", search_path="public", size=2, statement=DOWNLOAD, settings=alone)
    # pgstac keeps statistics of searches unless it is told that it may not write.
    stac = Pool("stac", search_path="pgstac,public", size=2, settings={"pgstac.readonly": "true"})
    pools = (lookups, tables, files, stac)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for pool in pools:
            await pool.open()
        yield
        for pool in pools:
            await pool.close()

    registry = Registry(lookups)
    vector = VectorApplication(tables, files)
    raster = RasterApplication(files_folder)
    mosaic = MosaicApplication(registry, files_folder)
    datasets = dispatch.Datasets(registry, {"vector": vector, "raster": raster, "mosaic": mosaic})
    front = site.build(registry, [vector.app, raster.app, mosaic.app])
    front.router.lifespan_context = lifespan
    return PublicOrigin(_Parts(datasets, catalog.CatalogApplication(stac), front), public_url)


class _Parts:
    """Chooses by path. Not Starlette's Mount, which would add what it matched to the root path of every link."""

    def __init__(self, datasets: ASGIApp, stac: ASGIApp, front: ASGIApp):
        self._datasets = datasets
        self._stac = stac
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"][len(scope["root_path"]) :] if scope["type"] == "http" else ""
        if path.startswith(dispatch.ROOT):
            await self._datasets(scope, receive, send)
        elif path == "/stac" or path.startswith("/stac/"):
            await self._stac(scope, receive, send)
        else:
            await self._front(scope, receive, send)
