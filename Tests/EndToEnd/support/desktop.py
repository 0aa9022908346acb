"""Map tiles as people's programs read them: GDAL's WMTS and TMS drivers, as in QGIS, and OWSLib."""

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import rasterio
from owslib.wmts import WebMapTileService

from . import clients

Box = tuple[float, float, float, float]
# Where Web Mercator ends, in degrees north and south.
END = 85.0512
# Side of the pictures that are read.
SIDE = 300

_TMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>{endpoint}/tiles/WebMercatorQuad/${{z}}/${{x}}/${{y}}.png?tilesize=256</ServerUrl>
</Service><DataWindow><UpperLeftX>-20037508.34</UpperLeftX><UpperLeftY>20037508.34</UpperLeftY>
<LowerRightX>20037508.34</LowerRightX><LowerRightY>-20037508.34</LowerRightY><TileLevel>14</TileLevel>
<TileCountX>1</TileCountX><TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection>
<BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"""


def layer_of(record: dict, tile_set: str = "WebMercatorQuad") -> str:
    """What a dataset's WMTS layer is called: its name, and the tile set's."""
    name = record["name"]
    namespace = [] if name["namespace"] == "default" else [name["namespace"]]
    return ":".join([*namespace, name["dataset_id"], name["resource_id"], name["version_id"], tile_set])


def read_with_gdal(record: dict, folder: Path, *, share: float = 1) -> dict[str, np.ndarray]:
    """A picture of the dataset's box, or of a share of each of its sides around its middle, through either driver, colours first.

    Neither driver may say a word, the layer's extent ends where Web Mercator does, and both show the same.
    """
    endpoint = record["result"]["endpoint"]
    tms = folder / "tms.xml"
    tms.write_text(_TMS.format(endpoint=endpoint))
    sources = {"wmts": f"WMTS:{endpoint}/WMTSCapabilities.xml,layer={layer_of(record)}", "tms": str(tms)}
    _check_extent(sources["wmts"], folder)
    west, south, east, north = _part(_box(record), share)
    corners = [str(value) for value in (*mercator(west, north), *mercator(east, south))]
    read = {}
    for driver, source in sources.items():
        target = folder / f"{driver}.tif"
        _run("gdal_translate", "-q", "-projwin", *corners, "-outsize", str(SIDE), str(SIDE), source, str(target), folder=folder)
        with rasterio.open(target) as picture:
            read[driver] = picture.read()[:3].astype("float64")
    assert read["wmts"].std() > 0, "the WMTS driver reads a picture, not one colour"
    np.testing.assert_allclose(read["wmts"].mean(), read["tms"].mean(), rtol=0.02, err_msg="WMTS and TMS show different pictures")
    return read


def read_with_owslib(record: dict, zoom: int) -> None:
    """The capabilities are understood, name the dataset and no path, end where Web Mercator does, and lead to a tile of the middle."""
    service = WebMapTileService(f"{record['result']['endpoint']}/WMTSCapabilities.xml")
    name = layer_of(record)
    assert set(service.contents) == {name, layer_of(record, "WorldCRS84Quad")}, f"layers are called {list(service.contents)}"
    assert service.identification.title == service.contents[name].title, "the layer is called as the dataset is"
    box = service.contents[name].boundingBoxWGS84
    assert box[1] >= -END and box[3] <= END, f"the layer {name} reaches {box}"
    west, south, east, north = _box(record)
    column, row = clients.tile_at((west + east) / 2, (south + north) / 2, zoom)
    matrices = next(iter(service.contents[name].tilematrixsetlinks))
    tile = service.gettile(layer=name, tilematrixset=matrices, tilematrix=str(zoom), row=row, column=column, format="image/png")
    assert tile.read().startswith(b"\x89PNG"), f"OWSLib is given no picture for {zoom}/{column}/{row}"


def mercator(longitude: float, latitude: float) -> tuple[float, float]:
    radius = 6378137
    return math.radians(longitude) * radius, math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2)) * radius


def _box(record: dict) -> Box:
    """What Web Mercator shows of the dataset's box."""
    west, south, east, north = (record["result"]["bbox"][side] for side in ("west", "south", "east", "north"))
    return west, max(south, -END), east, min(north, END)


def _part(box: Box, share: float) -> Box:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    across, down = (box[2] - box[0]) / 2 * share, (box[3] - box[1]) / 2 * share
    return x - across, y - down, x + across, y + down


def _check_extent(source: str, folder: Path) -> None:
    """What the WMTS driver takes the layer's extent for lies in the world, which is as tall as it is wide."""
    edge = mercator(0, END)[1]
    corners = json.loads(_run("gdalinfo", "-json", source, folder=folder))["cornerCoordinates"]
    outside = {name: place for name, place in corners.items() if max(abs(value) for value in place) > edge}
    assert not outside, f"the WMTS driver sees an extent beyond the world: {outside}"


def _run(*words: str, folder: Path) -> str:
    """What a program prints that has nothing to complain of."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stderr == "", f"{words[0]} of {words[-1]}: exit {done.returncode}, {done.stderr.strip()[:500]}"
    return done.stdout
