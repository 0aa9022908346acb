"""Rasters and mosaics that reach the poles: Web Mercator ends before them, and what is told of its tiles says so."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import rasterio
import samples

WORLD = "/api/data/world/picture/v1"
HALVES = "/api/data/halves/picture/v1"
DATASETS = pytest.mark.parametrize(("path", "layer"), [(WORLD, "world:picture:v1"), (HALVES, "halves:picture:v1")], ids=["raster", "mosaic"])

WHOLE = [-180, -90, 180, 90]
MERCATOR = pytest.approx([-180, -85.05112878, 180, 85.05112878], abs=1e-8)
OWS = "{http://www.opengis.net/ows/1.1}"
WMTS = "{http://www.opengis.net/wmts/1.0}"


@pytest.fixture(scope="module", autouse=True)
def world(cluster, published, files) -> Iterator[None]:
    with cluster.connect() as connection:
        samples.publish_world(connection, files)
    yield
    with cluster.connect() as connection:
        for of in (samples.WORLD, samples.HALVES):
            samples.withdraw(connection, of)


@DATASETS
def test_tilejson_says_what_its_tile_set_shows(local, path, layer):
    told = local.json(f"{path}/WebMercatorQuad/tilejson.json")
    assert told["bounds"] == MERCATOR
    assert told["center"][:2] == [0, 0]
    box = local.json(f"{path}/tiles/WebMercatorQuad")["boundingBox"]
    assert box["lowerLeft"] + box["upperRight"] == MERCATOR
    assert local.json(f"{path}/WorldCRS84Quad/tilejson.json")["bounds"] == WHOLE


@DATASETS
def test_each_layer_of_the_capabilities_says_what_its_tile_set_shows(local, path, layer):
    document = ElementTree.fromstring(local.get(f"{path}/WMTSCapabilities.xml").content)
    told = {one.findtext(f"{OWS}Identifier"): extent(one) for one in document.iter(f"{WMTS}Layer")}
    assert told == {f"{layer}:WebMercatorQuad": MERCATOR, f"{layer}:WorldCRS84Quad": WHOLE}
    assert not list(document.iter(f"{OWS}BoundingBox"))


def extent(layer: ElementTree.Element) -> list[float]:
    corners = [layer.findtext(f"{OWS}WGS84BoundingBox/{OWS}{corner}") for corner in ("LowerCorner", "UpperCorner")]
    return [float(number) for corner in corners for number in corner.split()]


@DATASETS
def test_the_dataset_itself_reaches_the_poles(local, path, layer):
    assert local.json(f"{path}/")["extent"]["spatial"]["bbox"] == [WHOLE]
    assert local.json(f"{path}/info")["bounds"] == WHOLE
    assert local.json(f"{path}/info.geojson")["bbox"] == WHOLE
    # Metres, not degrees: nothing to clip.
    assert local.json(f"{path}/info.geojson?crs=EPSG:6933")["bbox"][3] > 7_000_000
    listed = local.json(f"{path}/tiles")["tilesets"]
    assert [one["boundingBox"]["upperRight"] for one in listed] == [WHOLE[2:]] * 2


@DATASETS
def test_gdal_reads_the_whole_picture(local, path, layer, tmp_path: Path):
    source = f"WMTS:{local.url}{path}/WMTSCapabilities.xml,layer={layer}:WebMercatorQuad"
    width, height = json.loads(run(tmp_path, "gdalinfo", "-json", source))["size"]
    assert width == pytest.approx(height, rel=1e-3)
    run(tmp_path, "gdal_translate", "-q", "-outsize", "512", "0", source, "picture.tif")
    with rasterio.open(tmp_path / "picture.tif") as picture:
        assert (picture.width, picture.height) == (512, 512)
        grey, alpha = picture.read(1), picture.read(4)
    assert (alpha == 255).all()
    assert (grey[:250] == 200).all() and (grey[262:] == 100).all()


def run(folder: Path, *command: str) -> str:
    """What a program prints. GDAL ends well, whatever it could not read: it must not complain."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr[:2000]
    return done.stdout


def test_the_zooms_are_those_of_the_pixels_that_are_shown(local):
    """A quarter of a degree, in the lower of the mosaic's scenes."""
    for path in (WORLD, HALVES):
        assert local.json(f"{path}/WebMercatorQuad/tilejson.json")["maxzoom"] == 2
        assert local.json(f"{path}/WorldCRS84Quad/tilejson.json")["maxzoom"] == 1
    assert local.json(f"{HALVES}/mosaic.json")["maxzoom"] == 2
