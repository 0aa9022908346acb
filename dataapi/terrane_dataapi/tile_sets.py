"""The tile sets that maps are served in, and how much of a dataset each of them shows.

Web Mercator ends at 85.0511° north and south. A client that is told of more takes it at its word: GDAL's WMTS driver makes a world
that reaches the poles twelve times as tall as it is, and asks for tiles that cannot be.
"""

import morecantile
from morecantile import TileMatrixSet
from morecantile.defaults import TileMatrixSets
from rasterio.crs import CRS
from rio_tiler.types import BBox

TILE_MATRIX_SETS = TileMatrixSets({name: morecantile.tms.get(name) for name in ("WebMercatorQuad", "WorldCRS84Quad")})
# Of what is about no tile set in particular: it ends nowhere before the poles.
WHOLE_WORLD: TileMatrixSet = TILE_MATRIX_SETS.get("WorldCRS84Quad")

_BOXES = {name: TILE_MATRIX_SETS.get(name).bbox for name in TILE_MATRIX_SETS.list()}


def clipped(bounds: BBox, tile_set: str) -> BBox:
    """What a tile set shows of a box of degrees. Every longitude has a tile, so these stay."""
    west, south, east, north = bounds
    low, high = _BOXES[tile_set].bottom, _BOXES[tile_set].top
    return west, min(max(south, low), high), east, min(max(north, low), high)


class ClippedExtent:
    """Mixin of rio-tiler's readers: in a document of a tile set, the extent is what the tile set shows."""

    tms: TileMatrixSet

    def get_geographic_bounds(self, crs: CRS) -> BBox:
        bounds: BBox = super().get_geographic_bounds(crs)  # type: ignore[misc]
        # Any other system was asked for by its name, and need not count in degrees.
        return clipped(bounds, self.tms.id) if crs == self.tms.rasterio_geographic_crs else bounds
