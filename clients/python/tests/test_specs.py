"""What is asked for: the arguments of `terrane.vector`, `raster`, `raster_collection` and `mosaic` as the request has them."""

import datetime
import inspect

import pytest

import terrane
from terrane.v1.dataset_pb2 import RasterOptions, VectorOptions

METADATA = {
    "title": "Heights", "description": "In metres.", "attribution": "Land survey", "license": "CC-BY-4.0", "keywords": ["dem", "2026"],
    "datetime": "2026-11-29T12:00:00+01:00",
}  # fmt: skip
MAKERS = [
    lambda **more: terrane.vector("/a.gpkg", **more), lambda **more: terrane.raster("/a.tif", **more),
    lambda **more: terrane.raster_collection("/a/*.tif", **more), lambda **more: terrane.mosaic(["a/b/v1"], **more),
]  # fmt: skip
KINDS = ["vector", "raster", "raster_collection", "mosaic"]


@pytest.mark.parametrize("make", MAKERS, ids=KINDS)
def test_metadata(make):
    told = make(**METADATA).metadata
    assert (told.title, told.description, told.attribution, told.license) == ("Heights", "In metres.", "Land survey", "CC-BY-4.0")
    assert list(told.keywords) == ["dem", "2026"]
    assert told.datetime.ToJsonString() == "2026-11-29T11:00:00Z"
    only = make(datetime=datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=1))))
    assert only.metadata.datetime == told.datetime and not only.metadata.title
    assert make(datetime=datetime.datetime(2026, 11, 29, 11)).metadata.datetime == told.datetime, "in UTC"
    bare = make()
    assert not (bare.HasField("metadata") or bare.HasField("raster_options") or bare.HasField("vector_options"))
    for wrong in ({"datetime": "yesterday"}, {"keywords": "dem"}):
        with pytest.raises(ValueError):
            make(**wrong)


@pytest.mark.parametrize("make", MAKERS[1:3], ids=KINDS[1:3])
def test_options_of_rasters(make):
    told = make(
        target_crs="EPSG:3857", resolution=2.5, resampling="cubic", compression="zstd", colormap="terrain", rescale=(0, 4000),
        enable_tiles=True, generate_statistics=False, build_overviews=False,
    ).raster_options  # fmt: skip
    assert (told.target_crs, told.resolution, told.colormap, told.enable_tiles) == ("EPSG:3857", 2.5, "terrain", True)
    assert (told.resampling, told.compression) == (RasterOptions.RESAMPLING_CUBIC, RasterOptions.COMPRESSION_ZSTD)
    assert [(one.minimum, one.maximum) for one in told.rescale] == [(0, 4000)]
    assert told.HasField("generate_statistics") and not told.generate_statistics
    assert told.HasField("build_overviews") and not told.build_overviews
    assert not make(colormap="terrain").raster_options.HasField("build_overviews")
    bands = make(rescale=[(0, 1), (2, 3)]).raster_options.rescale
    assert [(one.minimum, one.maximum) for one in bands] == [(0, 1), (2, 3)]
    for wrong in ({"resolution": 0}, {"resolution": -1}, {"resampling": "best"}, {"compression": "zip"}, {"rescale": (1, 2, 3)}):
        with pytest.raises((ValueError, TypeError)):
            make(**wrong)


def test_arguments_change_a_copy_of_the_options():
    options = RasterOptions(colormap="magma", target_crs="EPSG:3857")
    told = terrane.raster("/a.tif", colormap="viridis", options=options).raster_options
    assert (told.colormap, told.target_crs, options.colormap) == ("viridis", "EPSG:3857", "magma")
    assert terrane.raster("/a.tif", options=RasterOptions()).HasField("raster_options")
    vector = terrane.vector("/a.gpkg", max_rejects=3, options=VectorOptions(null_geometry=VectorOptions.NULL_GEOMETRY_KEEP))
    assert (vector.vector_options.max_rejects, vector.vector_options.null_geometry) == (3, VectorOptions.NULL_GEOMETRY_KEEP)
    assert terrane.vector("/a.gpkg", null_geometry="fail").vector_options.null_geometry == VectorOptions.NULL_GEOMETRY_FAIL


def test_a_mosaic_takes_what_the_server_takes():
    told = terrane.mosaic(["a/b/v1"], colormap="viridis", rescale=(0, 1), enable_tiles=True).raster_options
    assert (told.colormap, len(told.rescale), told.enable_tiles) == ("viridis", 1, True)
    with pytest.raises(TypeError):
        terrane.mosaic(["a/b/v1"], compression="zstd")  # type: ignore[call-arg]
    said = inspect.getdoc(terrane.mosaic) or ""
    assert all(f"`{word}`" in said for word in ("colormap", "rescale", "enable_tiles"))
