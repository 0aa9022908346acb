"""rio-tiler's reader of a served file, with two things of its own: zooms that a pole does not spoil, and pictures from afar.

A map of the world asks for tiles of which a raster covers a few pixels. rio-tiler lays the whole tile out at the raster's resolution
before it is made small: 160,000 pixels a side at zoom 4 for pixels of 10 m, which takes seconds where bands are picked or a value stands
for nothing, and minutes further out. Here only that part of the picture is read in which the raster lies.
"""

import math
from functools import cached_property
from typing import Any

import attr
import numpy as np
from morecantile import TileMatrixSet
from rasterio._err import CPLE_BaseError  # GDAL's own errors reach us as they are; rasterio has no public name for them.
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import calculate_default_transform, transform_bounds
from rio_tiler.constants import WEB_MERCATOR_CRS, WGS84_CRS
from rio_tiler.io import Reader
from rio_tiler.models import ImageData
from rio_tiler.reader import get_vrt_transform
from rio_tiler.types import BBox

from .problems import Problem
from .raster_parameters import LARGEST_PICTURE
from .tile_sets import WHOLE_WORLD, ClippedExtent, clipped

# Share of a pixel by which a pixel's middle may lie beside the raster and still count: where the raster ends is computed.
_TOLERANCE = 0.02


@attr.s
class RasterReader(ClippedExtent, Reader):
    """rio-tiler's reader of a raster's file."""

    tms: TileMatrixSet = attr.ib(default=WHOLE_WORLD)

    @cached_property
    def _dst_geom_in_tms_crs(self) -> tuple:
        """Pixels in the tile set's system, by which rio-tiler tells the zooms."""
        # With Web Mercator's pole among them they count as far larger: a world of 1 km a pixel would end at zoom 4, not 7.
        west, south, east, north = self.bounds
        _, low, _, high = clipped(self.bounds, self.tms.id)
        rows = round(self.height * (high - low) / (north - south))
        if not self.crs.is_geographic or rows in (0, self.height):
            return super()._dst_geom_in_tms_crs
        return calculate_default_transform(self.crs, self.tms.rasterio_crs, self.width, rows, west, low, east, high)

    def part(
        self, bbox: BBox, dst_crs: CRS | None = None, bounds_crs: CRS = WGS84_CRS, *, max_size: int | None = None,
        height: int | None = None, width: int | None = None, buffer: float | None = None, **more: Any,
    ) -> ImageData:  # fmt: skip
        """A picture of a box, as rio-tiler's; beside the raster nothing is read."""
        target = dst_crs or bounds_crs
        if bounds_crs != target:
            bbox = _moved(bbox, bounds_crs, target)
        width, height = self._size_of(bbox, target, width, height, max_size)
        if target == self.crs:
            return self._read(bbox, target, height=height, width=width, buffer=buffer, **more)
        whole = _Grid(bbox, width, height).wider(buffer or 0)
        box = self._box(target)
        rows, columns = (slice(0, whole.height), slice(0, whole.width)) if box is None else whole.within(box, self._takes_nearest(more))
        if (rows.stop - rows.start) * (columns.stop - columns.start) * 2 > whole.height * whole.width:
            return self._read(bbox, target, height=height, width=width, buffer=buffer, **more)
        near = whole.cut(rows, columns)
        read = self._read(near.bbox, target, height=near.height, width=near.width, **more)
        return _laid_out(read, whole, rows, columns, self.dataset.nodata)

    def read(self, *how: Any, **more: Any) -> ImageData:
        """All of it, as rio-tiler's."""
        return _finite(super().read(*how, **more))

    def size_of(
        self, bbox: BBox, bounds_crs: CRS, *, dst_crs: CRS | None = None, max_size: int | None = None, height: int | None = None,
        width: int | None = None, **_: Any,
    ) -> tuple[int, int]:  # fmt: skip
        """Width and height of the picture that `part` makes of the same, without what is added at its sides."""
        target = dst_crs or bounds_crs
        return self._size_of(bbox if bounds_crs == target else _moved(bbox, bounds_crs, target), target, width, height, max_size)

    def _read(self, bbox: BBox, crs: CRS, **how: Any) -> ImageData:
        try:
            return _finite(super().part(bbox, crs, crs, **how))
        except (OverflowError, CPLE_BaseError) as error:
            raise _unreachable() from error

    def _size_of(self, bbox: BBox, target: CRS, width: int | None, height: int | None, max_size: int | None) -> tuple[int, int]:
        """Width and height of a picture, of which none, one or both are given; at the raster's resolution where nothing is."""
        if width and height:
            return width, height
        try:
            _, across, down = get_vrt_transform(self.dataset, bbox, dst_crs=target)
        except (OverflowError, ValueError, RasterioError, CPLE_BaseError) as error:
            raise _unreachable() from error
        if width or height:
            shrink = width / across if width else height / down  # type: ignore[operator]
        else:
            shrink = min(1.0, (max_size or LARGEST_PICTURE) / max(across, down))
        size = max(1, math.ceil(across * shrink)), max(1, math.ceil(down * shrink))
        if max(size) > 2 * LARGEST_PICTURE:
            raise Problem(400, "INVALID_PARAMETER", f"This box makes a picture of {size[0]} x {size[1]} pixels: give it a max_size.")
        return width or size[0], height or size[1]

    def _takes_nearest(self, asked: dict[str, Any]) -> bool:
        method = asked.get("resampling_method") or self.options.get("resampling_method") or "nearest"
        return method == "nearest"

    def _box(self, target: CRS) -> BBox | None:
        """The box around the raster in another system; None: there is none that can be told."""
        try:
            if target in (WGS84_CRS, WEB_MERCATOR_CRS) or target == WHOLE_WORLD.rasterio_crs:
                # By way of degrees, in which a pole inside is known of.
                west, south, east, north = transform_bounds(self.crs, WGS84_CRS, *self.bounds, densify_pts=21)
                if west >= east:
                    return None
                if target == WEB_MERCATOR_CRS:
                    south, north = max(south, -85.06), min(north, 85.06)
                if south >= north:
                    return None
                box = transform_bounds(WGS84_CRS, target, west, south, east, north)
            else:
                box = transform_bounds(self.crs, target, *self.bounds, densify_pts=21)
        except (RasterioError, CPLE_BaseError):
            return None
        left, bottom, right, top = box
        return box if all(map(math.isfinite, box)) and left < right and bottom < top else None


def _finite(image: ImageData) -> ImageData:
    """What is no number, or infinite, is nothing, whether or not the file says so: as it is counted."""
    if image.array.dtype.kind == "f":
        wrong = ~np.isfinite(image.array.data)
        if wrong.any():
            image.array[wrong] = np.ma.masked
    return image


def _unreachable() -> Problem:
    return Problem(400, "INVALID_PARAMETER", "The box has no place in that reference system.")


def _moved(bbox: BBox, source: CRS, target: CRS) -> BBox:
    try:
        moved: BBox = transform_bounds(source, target, *bbox, densify_pts=21)
    except (RasterioError, CPLE_BaseError) as error:
        raise _unreachable() from error
    if not all(map(math.isfinite, moved)) or moved[0] >= moved[2] or moved[1] >= moved[3]:
        raise _unreachable()
    return moved


@attr.frozen
class _Grid:
    """Pixels over a box."""

    bbox: BBox
    width: int
    height: int

    @property
    def _size(self) -> tuple[float, float]:
        left, bottom, right, top = self.bbox
        return (right - left) / self.width, (top - bottom) / self.height

    def wider(self, pixels: float) -> "_Grid":
        """With some more around it; halves count."""
        x, y = self._size
        left, bottom, right, top = self.bbox
        box = (left - x * pixels, bottom - y * pixels, right + x * pixels, top + y * pixels)
        return _Grid(box, self.width + int(pixels * 2), self.height + int(pixels * 2))

    def within(self, box: BBox, by_middle: bool) -> tuple[slice, slice]:
        """Rows and columns whose middle lies in a box, or any part of them; at least one of each."""
        x, y = self._size
        # The first pixel whose middle is past an edge is the first whose upper left is past half a pixel before it.
        shift = 0.5 - _TOLERANCE if by_middle else -_TOLERANCE
        return (
            _covered((self.bbox[3] - box[3]) / y + shift, (self.bbox[3] - box[1]) / y - shift, self.height),
            _covered((box[0] - self.bbox[0]) / x + shift, (box[2] - self.bbox[0]) / x - shift, self.width),
        )

    def cut(self, rows: slice, columns: slice) -> "_Grid":
        x, y = self._size
        left, top = self.bbox[0], self.bbox[3]
        box = (left + columns.start * x, top - rows.stop * y, left + columns.stop * x, top - rows.start * y)
        return _Grid(box, columns.stop - columns.start, rows.stop - rows.start)


def _covered(first: float, last: float, count: int) -> slice:
    start = min(max(math.floor(first), 0), count - 1)
    return slice(start, min(max(math.ceil(last), start + 1), count))


def _laid_out(read: ImageData, whole: _Grid, rows: slice, columns: slice, nodata: float | None) -> ImageData:
    """What was read, at its place in a picture that has nothing else."""
    shape = (read.count, whole.height, whole.width)
    nothing = 0 if nodata is None or read.array.dtype.kind in "iu" and not math.isfinite(nodata) else nodata
    array = np.ma.MaskedArray(np.full(shape, nothing, read.array.dtype), mask=True)
    array[:, rows, columns] = read.array
    alpha = None
    if read.alpha_mask is not None:
        alpha = np.zeros(shape[1:], read.alpha_mask.dtype)
        alpha[rows, columns] = read.alpha_mask
    return attr.evolve(read, array=array, bounds=whole.bbox, alpha_mask=alpha)
