"""Pictures from afar are those that rio-tiler draws, without what it would do for them."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds, from_origin
from rio_tiler.io import Reader
from terrane_dataapi.problems import Problem
from terrane_dataapi.reader import RasterReader, _Grid
from terrane_dataapi.tile_sets import TILE_MATRIX_SETS

MERCATOR = TILE_MATRIX_SETS.get("WebMercatorQuad")


def write(path: Path, *, crs: str, transform, bands: int = 3, side: int = 300, dtype: str = "uint16", nodata=None, alpha: bool = False) -> Path:
    y, x = np.mgrid[0:side, 0:side]
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=side, width=side, dtype=dtype, crs=crs, transform=transform, nodata=nodata, tiled=True
    ) as file:
        for band in range(1, bands + 1):
            values = (100 + 2 * x + y + band * 10).astype(dtype)
            # A third of it is nothing.
            file.write(values if nodata is None else np.where(x < side // 3, nodata, values).astype(dtype), band)
        if alpha:
            file.colorinterp = [ColorInterp.gray] * (bands - 1) + [ColorInterp.alpha]
            file.write(np.where(x > side // 3, np.iinfo(dtype).max, 0).astype(dtype), bands)
    return path


UTM = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_500_000, 100, 100)}
RASTERS = {
    "utm": UTM,
    "nothing": {**UTM, "nodata": 50},
    "no-number": {**UTM, "nodata": float("nan"), "dtype": "float32"},
    "alpha": {**UTM, "alpha": True, "bands": 4},
    "degrees": {"crs": "EPSG:4326", "transform": from_bounds(9, 49, 10, 50, 300, 300)},
    "south": {"crs": "EPSG:32719", "transform": from_origin(400_000, 6_200_000, 100, 100)},
    "arctic": {"crs": "EPSG:3413", "transform": from_origin(-3_000_000, 3_000_000, 20_000, 20_000)},
    "antarctic-ring": {"crs": "EPSG:3031", "transform": from_origin(-2_000_000, 2_000_000, 13_000, 13_000)},
    "over-the-line": {"crs": "EPSG:32601", "transform": from_origin(200_000, 5_500_000, 1_000, 1_000)},
}


def assert_alike(ours, theirs) -> None:
    assert ours.array.shape == theirs.array.shape and ours.array.dtype == theirs.array.dtype
    assert ours.bounds == pytest.approx(theirs.bounds) and ours.crs == theirs.crs and ours.band_names == theirs.band_names
    mine, other = ours.mask > 0, theirs.mask > 0
    # Of two pixels that are as near, one or the other is taken: along the edges, and of a picture that is small a pixel of it.
    edge = 2 * (np.ptp(np.nonzero(other), axis=1).sum() + 2) if other.any() else 2
    assert (mine != other).sum() <= 0.5 * edge, ((mine != other).sum(), other.sum())
    both = mine & other
    if both.any():
        values = theirs.array.data[:, both].astype(float)
        differing = ours.array.data[:, both].astype(float) - values
        # What lies between two pixels of the picture, everywhere the same: nothing is moved.
        step = (np.ptp(values) + 1) / max(np.ptp(np.nonzero(both)[1]), 1)
        assert np.abs(differing).max() <= 2 * step and abs(differing.mean()) <= 0.5 * step, (np.abs(differing).max(), differing.mean(), step)


@pytest.mark.parametrize("name", RASTERS)
def test_a_tile_from_afar_is_the_one_that_rio_tiler_draws(tmp_path, name):
    path = write(tmp_path / "r.tif", **RASTERS[name])
    with RasterReader(str(path), tms=MERCATOR) as ours, Reader(str(path), tms=MERCATOR) as theirs:
        box = ours.get_geographic_bounds(CRS.from_epsg(4326))
        middle = ((box[0] + box[2]) / 2 if box[0] < box[2] else 179.5, min(max((box[1] + box[3]) / 2, -85), 85))
        top = max(ours.maxzoom - 5, 1)
        for zoom in range(top, ours.maxzoom + 1):
            tile = MERCATOR.tile(*middle, zoom)
            for indexes in (None, [1], [2, 1]):
                assert_alike(ours.tile(tile.x, tile.y, tile.z, indexes=indexes), theirs.tile(tile.x, tile.y, tile.z, indexes=indexes))


@pytest.mark.parametrize("how", [{"max_size": 200}, {"width": 90, "height": 120}, {"max_size": 200, "buffer": 2}, {"width": 80, "height": 80, "buffer": 0.5}],
                         ids=str)  # fmt: skip
def test_a_part_from_afar_is_the_one_that_rio_tiler_reads(tmp_path, how):
    path = write(tmp_path / "r.tif", **UTM)
    with RasterReader(str(path)) as ours, Reader(str(path)) as theirs:
        for box in ((8.0, 48.0, 12.0, 51.0), (9.2, 49.5, 9.3, 49.6), (9.39, 49.0, 10.5, 50.1)):
            assert_alike(ours.part(box, **how), theirs.part(box, **how))
        assert_alike(ours.part(box, indexes=[2], **how), theirs.part(box, indexes=[2], **how))
        assert_alike(ours.part(box, expression="b1+b2", **how), theirs.part(box, expression="b1+b2", **how))
        metres = (890_000, 6_200_000, 1_300_000, 6_600_000)
        mercator = CRS.from_epsg(3857)
        assert_alike(ours.part(metres, bounds_crs=mercator, **how), theirs.part(metres, bounds_crs=mercator, **how))
        other = CRS.from_epsg(25833)
        assert_alike(ours.part(box, dst_crs=other, **how), theirs.part(box, dst_crs=other, **how))


def test_a_shape_from_afar(tmp_path):
    path = write(tmp_path / "r.tif", **UTM)
    shape = {"type": "Polygon", "coordinates": [[[8.5, 48.5], [11, 49], [10, 50.5], [8.5, 48.5]]]}
    with RasterReader(str(path)) as ours, Reader(str(path)) as theirs:
        assert_alike(ours.feature(shape, max_size=300), theirs.feature(shape, max_size=300))


def test_the_whole_world_is_read_for_a_few_pixels(tmp_path, monkeypatch):
    """How much is laid out: at zoom 0, rio-tiler would lay out 400,000 pixels a side."""
    laid_out = []
    path = write(tmp_path / "r.tif", **{**UTM, "nodata": 50})
    from rio_tiler import reader as rio_reader

    plain = rio_reader.WarpedVRT
    monkeypatch.setattr(rio_reader, "WarpedVRT", lambda *given, **how: laid_out.append(how["width"] * how["height"]) or plain(*given, **how))
    with RasterReader(str(path), tms=MERCATOR) as reader:
        for zoom in range(12):
            tile = MERCATOR.tile(9.2, 49.5, zoom)
            drawn = reader.tile(tile.x, tile.y, tile.z, tilesize=1024, indexes=[1])
            assert (drawn.mask > 0).any() or zoom < 3
        # The raster has 360,000 pixels. The world's have a side of 40 km at zoom 0: one of them is 160,000 of the raster's.
        assert max(laid_out) < 2e6, laid_out
        assert reader.part((-180, -85, 180, 85), max_size=2000, indexes=[1]).array.shape[2] == 2000


def test_padding_costs_no_more_from_afar(tmp_path, monkeypatch):
    laid_out = []
    path = write(tmp_path / "r.tif", **{**UTM, "nodata": 50})
    from rio_tiler import reader as rio_reader

    plain = rio_reader.WarpedVRT
    monkeypatch.setattr(rio_reader, "WarpedVRT", lambda *given, **how: laid_out.append(how["width"] * how["height"]) or plain(*given, **how))
    with RasterReader(str(path), tms=MERCATOR) as ours, Reader(str(path), tms=MERCATOR) as theirs:
        tile = MERCATOR.tile(9.2, 49.5, 8)
        assert_alike(ours.tile(*tile, padding=4), theirs.tile(*tile, padding=4))
        laid_out.clear()
        assert ours.tile(0, 0, 0, padding=64).array.shape == (3, 256, 256)
        assert max(laid_out) < 4e6


def test_a_picture_has_an_end(tmp_path):
    """Whatever is left open, or cannot be."""
    for name, how in (("utm", UTM), ("degrees", {**RASTERS["degrees"], "side": 3_000, "transform": from_bounds(9, 49, 10, 50, 3_000, 3_000)})):
        path = write(tmp_path / f"{name}.tif", **how)
        with RasterReader(str(path)) as reader:
            for box in ((-180, -85, 180, 85), (8, 48, 11, 51)):
                assert max(reader.part(box).array.shape) <= 2048
                assert reader.part(box, height=300).array.shape[1] == 300
                assert reader.part(box, width=100, height=50).array.shape[1:] == (50, 100)
            for wrong in ({"bbox": (8, 48, 8.0001, 58), "width": 2048}, {"bbox": (-1e9, -1e9, 1e9, 1e9), "dst_crs": CRS.from_epsg(3857)},
                          {"bbox": (-180, -90, 180, 90), "dst_crs": CRS.from_epsg(3031)}):  # fmt: skip
                with pytest.raises(Problem):
                    reader.part(**wrong)


def test_nothing_is_read_twice_or_beside_the_picture():
    grid = _Grid((0, 0, 100, 50), 100, 50)
    # Pixels that a box has the middle of, or any part.
    assert grid.within((10.4, 10.4, 20.4, 20.4), True) == (slice(30, 40), slice(10, 20))
    assert grid.within((10.6, 10.6, 20.6, 20.6), True) == (slice(29, 39), slice(11, 21))
    assert grid.within((10.4, 10.4, 20.4, 20.4), False) == (slice(29, 40), slice(10, 21))
    assert grid.within((-50, -50, 500, 500), True) == (slice(0, 50), slice(0, 100))
    # Beside it: a row and a column, so that there is something to read.
    assert grid.within((500, 500, 600, 600), True) == (slice(0, 1), slice(99, 100))
    assert grid.within((10.1, 10.1, 10.2, 10.2), True) == (slice(40, 41), slice(10, 11))
    assert grid.cut(slice(27, 43), slice(7, 23)) == _Grid((7, 7, 23, 23), 16, 16)
    assert grid.wider(0.5) == _Grid((-0.5, -0.5, 100.5, 50.5), 101, 51)
