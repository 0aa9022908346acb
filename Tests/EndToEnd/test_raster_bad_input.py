"""Rasters that are broken, odd or lying: each is served with what was done written down, or refused with a reason that helps."""

import io
import math
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin
from support import rasters
from support.server import Server

sys.path.insert(0, str(Path(__file__).parents[1] / "Chaos"))
from chaos.disk import FullDisk, build_library  # noqa: E402

MARS = CRS.from_wkt(
    'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.894447223612]],PRIMEM["Greenwich",0],'
    'UNIT["Decimal_Degree",0.0174532925199433]]'
)


def truncated(path: Path) -> Path:
    rasters.write(path, rasters.picture())
    os.truncate(path, path.stat().st_size * 2 // 3)
    return path


def corrupt(path: Path) -> Path:
    """A whole file, of whose compressed blocks one is not what it was."""
    rasters.write(path, rasters.picture(), compress="deflate", tiled=True, blockxsize=128, blockysize=128)
    with rasterio.open(path) as raster:
        offset = int(raster.get_tag_item("BLOCK_OFFSET_2_3", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(64))
    return path


def named(text: bytes):
    def make(path: Path) -> Path:
        path.write_bytes(text)
        path.chmod(0o644)
        return path

    return make


def mostly_nothing(share: float):
    def make(path: Path) -> Path:
        pixels = np.zeros((1000, 1000), "uint16")
        pixels.flat[: int(pixels.size * (1 - share))] = 77
        return rasters.write(path, pixels, nodata=0)

    return make


def control_points(path: Path) -> Path:
    points = [GroundControlPoint(0, 0, 10, 50), GroundControlPoint(0, 100, 11, 50), GroundControlPoint(100, 0, 10, 49)]
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=100, width=100, dtype="uint8", gcps=points, crs=CRS.from_epsg(4326)
    ) as file:  # fmt: skip
        file.write(rasters.picture(100, 1))
    path.chmod(0o644)
    return path


def too_many_bands(path: Path) -> Path:
    return rasters.write(path, np.ones((101, 4, 4), "uint8"))


REFUSED = {
    "truncated": (truncated, "SOURCE_TRUNCATED"),
    "corrupt": (corrupt, "SOURCE_TRUNCATED"),
    "text": (named(b"not a raster at all"), "SOURCE_CORRUPT"),
    "head-only": (named(b"II*\0\x08\0\0\0"), "SOURCE_CORRUPT"),
    "empty": (named(b""), "SOURCE_EMPTY"),
    "vrt-by-another-name": (named(b'<VRTDataset rasterXSize="1" rasterYSize="1"/>'), "SOURCE_CORRUPT"),
    "no-crs": (lambda p: rasters.write(p, rasters.picture(50), crs=None), "CRS_MISSING"),
    "no-transform": (lambda p: rasters.write(p, rasters.picture(50), transform=None), "NOT_GEOREFERENCED"),
    "identity": (lambda p: rasters.write(p, rasters.picture(50), transform=Affine(1, 0, 0, 0, -1, 0)), "NOT_GEOREFERENCED"),
    "control-points": (control_points, "NOT_GEOREFERENCED"),
    "nothing": (mostly_nothing(1), "RASTER_EMPTY"),
    "nearly-nothing": (mostly_nothing(0.995), "RASTER_EMPTY"),
    "all-nan": (lambda p: rasters.write(p, np.full((50, 50), math.nan, "float32")), "RASTER_EMPTY"),
    "complex": (lambda p: rasters.write(p, np.ones((1, 9, 9), "complex64")), "PIXEL_TYPE_UNSUPPORTED"),
    "signed-bytes": (lambda p: rasters.write(p, rasters.picture(50, 1).astype("int8"), nodata=-128), "PIXEL_TYPE_UNSUPPORTED"),
    "bands": (too_many_bands, "TOO_MANY_BANDS"),
    "mars": (lambda p: rasters.write(p, rasters.picture(50), crs=MARS, transform=from_origin(10, 50, 0.1, 0.1)), "CRS_INVALID"),
    "off-the-globe": (
        lambda p: rasters.write(p, rasters.picture(50), crs="EPSG:4326", transform=from_origin(500_000, 5_500_000, 10, 10)),
        "COORDINATES_OUT_OF_RANGE",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_served_is_refused_with_a_reason(server: Server, folder: Path, name: str, what: str):
    make, reason = REFUSED[what]
    answer = server.create(name, make(folder / f"{what}.tif"))
    assert answer.code != 0
    assert answer.problem["reason"] == reason, answer.problem
    assert answer.problem["user_fixable"] and answer.problem["remedy"], answer.problem
    assert str(server.data) not in answer.out
    server.wait_until_clean()


def test_a_request_that_contradicts_the_file_is_refused(server: Server, folder: Path, name: str):
    source = rasters.write(folder / "utm.tif", rasters.picture(60))
    answer = server.create(name, source, "--crs", "EPSG:4326")
    assert answer.problem["reason"] == "CRS_CONFLICT", answer.problem
    assert server.ready(name + "b", source, "--crs", "EPSG:25832")["status"] == "ready"


def test_a_request_says_what_the_file_does_not(server: Server, folder: Path, name: str):
    source = rasters.write(folder / "bare.tif", rasters.picture(60), crs=None)
    record = server.ready(name, source, "--crs", "EPSG:25832")
    assert record["result"]["crs"] == "EPSG:25832"
    assert {warning["reason"] for warning in record["warnings"]} >= {"CRS_FROM_REQUEST"}
    with rasterio.open(rasters.file_of(server, record)) as file:
        assert file.crs.to_epsg() == 25832


def test_a_raster_of_little_is_served_with_a_warning(server: Server, folder: Path, name: str):
    record = server.ready(name, mostly_nothing(0.95)(folder / "little.tif"))
    assert [warning["reason"] for warning in record["warnings"]] == ["MOSTLY_NODATA"]
    assert record["result"]["treatment"]["raster"]["nodata_share"] == pytest.approx(0.95, abs=0.001)


def test_pixels_that_are_no_number_are_counted(server: Server, folder: Path, name: str):
    pixels = rasters.heights(100)
    pixels[:10, :10] = math.nan
    record = server.ready(name, rasters.write(folder / "holes.tif", pixels))
    assert [(w["reason"], w["count"]) for w in record["warnings"]] == [("NOT_A_NUMBER", 100)]
    told = server.get(record["result"]["endpoint"] + "/preview.png")
    assert told.status_code == 200


def test_infinite_pixels_are_nothing(server: Server, folder: Path, name: str):
    """As a division by zero leaves them."""
    pixels = rasters.heights(100)
    pixels[:10, :10] = math.inf
    pixels[50, 50] = -math.inf
    record = server.ready(name, rasters.write(folder / "ratio.tif", pixels))
    assert [(w["reason"], w["count"]) for w in record["warnings"]] == [("NOT_A_NUMBER", 101)]
    [band] = record["result"]["rasters"][0]["bands"]
    assert band["statistics"]["maximum"] == pytest.approx(float(pixels[np.isfinite(pixels)].max()))
    shown = server.get(record["result"]["endpoint"] + "/preview.png").content
    with rasterio.open(io.BytesIO(shown)) as picture:
        alpha = picture.read(picture.count)
    assert (alpha[:10, :10] == 0).all() and alpha[50, 50] == 0 and np.count_nonzero(alpha == 0) == 101


def test_values_at_the_end_of_what_a_number_holds(server: Server, folder: Path, name: str):
    """What stands for nothing, and the file does not say so: it has no mean, and is told of."""
    pixels = rasters.heights(100).astype("float64")
    pixels[:10] = -1.797e308
    record = server.ready(name, rasters.write(folder / "huge.tif", pixels))
    [warning] = record["warnings"]
    assert warning["reason"] == "READER_REMARK", warning
    assert "statistics" not in record["result"]["rasters"][0]["bands"][0]
    log = server.cli("log", name).out
    assert "gdal_edit.py -a_nodata" in log, log


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_largest_whole_numbers(server: Server, folder: Path, name: str, dtype: str):
    pixels = (rasters.picture(100, 1)[0] % 7).astype(dtype)
    pixels[:10] = np.iinfo(dtype).max
    record = server.ready(name, rasters.write(folder / "large.tif", pixels))
    assert record["result"]["rasters"][0]["bands"][0]["statistics"]["maximum"] == float(np.iinfo(dtype).max)


def test_a_book_in_a_band_s_description_is_cut(server: Server, folder: Path, name: str):
    """It is in every record, and in every list of them."""
    path = rasters.write(folder / "book.tif", rasters.picture(50))
    with rasterio.open(path, "r+") as file:
        file.set_band_description(1, "ä" * 3_000_000)
    record = server.ready(name, path)
    told = record["result"]["rasters"][0]["bands"][0]["description"]
    assert len(told.encode()) <= 1_024 and told.endswith("ä…")
    assert server.cli("list", "--json").code == 0


def test_a_rotated_raster_stays_as_it_is(server: Server, folder: Path, name: str):
    turned = Affine.translation(500_000, 5_500_000) @ Affine.rotation(30) @ Affine.scale(10, -10)
    record = server.ready(name, rasters.write(folder / "turned.tif", rasters.picture(200), transform=turned))
    with rasterio.open(rasters.file_of(server, record)) as file:
        assert file.transform.almost_equals(turned)
    item = server.get(record["result"]["endpoint"] + "/item").json()
    [ring] = item["geometry"]["coordinates"]
    box = record["result"]["bbox"]
    assert any(box["west"] + 0.001 < x < box["east"] - 0.001 and abs(y - box["north"]) < 0.001 for x, y in ring), "its outline is turned"
    assert server.get(record["result"]["endpoint"] + "/preview.png").status_code == 200


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32660", "EPSG:3832"])
def test_a_raster_over_the_antimeridian_is_one_raster(server: Server, folder: Path, name: str, crs: str):
    place = {
        "EPSG:4326": from_origin(170, 10, 0.1, 0.1),
        "EPSG:32660": from_origin(700_000, 1_000_000, 2000, 2000),
        "EPSG:3832": from_origin(3_000_000, 1_000_000, 4000, 4000),
    }[crs]
    record = server.ready(name, rasters.write(folder / "line.tif", rasters.picture(200), crs=crs, transform=place))
    warned = {warning["reason"] for warning in record["warnings"]}
    assert warned == ({"LONGITUDES_SHIFTED"} if crs == "EPSG:4326" else set())
    with rasterio.open(rasters.file_of(server, record)) as file, rasterio.open(folder / "line.tif") as source:
        np.testing.assert_allclose(file.read(), source.read(), atol=40)  # JPEG of steep waves
        assert file.shape == source.shape
    box = record["result"]["bbox"]
    assert 160 < box["west"] <= 180 and -180 <= box["east"] < -160, box
    item = server.get(record["result"]["endpoint"] + "/item").json()
    assert item["geometry"]["type"] == "MultiPolygon" and len(item["geometry"]["coordinates"]) == 2
    for longitude in (179.5, -179.5):
        column = int((longitude + 180) / 360 * 64)
        row = int((1 - math.asinh(math.tan(math.radians(4))) / math.pi) / 2 * 64)
        tile = server.get(f"{record['result']['endpoint']}/tiles/WebMercatorQuad/6/{column}/{row}.png")
        assert tile.status_code == 200 and len(tile.content) > 500, longitude
    assert server.get(record["result"]["rasters"][0]["tilejson_url"]).status_code == 200
    assert server.get(record["result"]["rasters"][0]["wmts_url"]).status_code == 200
    assert server.get(record["result"]["stac_item_url"]).status_code == 200


def test_the_whole_world_and_both_poles_are_on_the_globe(server: Server, folder: Path, name: str):
    world = rasters.write(
        folder / "world.tif", rasters.picture(360)[:, :181], crs="EPSG:4326", transform=from_origin(-0.5, 90.5, 1, 1)
    )
    record = server.ready(name, world)
    assert record["result"]["bbox"] == {"west": -180.0, "south": -90.0, "east": 180.0, "north": 90.0}
    for column in (0, 1):
        # Both hemispheres, though the file counts from 0 to 360.
        answer = server.get(f"{record['result']['endpoint']}/tiles/WebMercatorQuad/1/{column}/0.png")
        assert answer.status_code == 200 and len(answer.content) > 2_000, column
    pole = rasters.write(folder / "pole.tif", rasters.picture(200), crs="EPSG:3995", transform=from_origin(-1e6, 1e6, 10_000, 10_000))
    record = server.ready(name + "b", pole)
    box = record["result"]["bbox"]
    assert (box["west"], box["east"], box["north"]) == (-180, 180, 90) and 70 < box["south"] < 85
    assert server.get(record["result"]["endpoint"] + "/preview.png").status_code == 200


BEYOND = {
    # The whole world in an ellipse, and a weather satellite's picture of its side: corners and edges have no place.
    "mollweide": ("ESRI:54009", 18_040_096, 9_020_048, [-180, -90, 180, 90]),
    "geostationary": ("+proj=geos +h=35786023 +lon_0=140.7 +sweep=x +ellps=GRS80", 5_500_000, 5_500_000, [59.5, -81.2, -138.1, 81.2]),
}  # fmt: skip


@pytest.mark.parametrize("what", BEYOND)
def test_a_raster_whose_edges_are_not_on_the_globe(server: Server, folder: Path, name: str, what: str):
    crs, x, y, expected = BEYOND[what]
    path = rasters.write(
        folder / "disk.tif", rasters.picture(600, 1), crs=CRS.from_user_input(crs), transform=from_origin(-x, y, 2 * x / 600, 2 * y / 600)
    )  # fmt: skip
    record = server.ready(name, path)
    box = record["result"]["bbox"]
    assert [box[side] for side in ("west", "south", "east", "north")] == pytest.approx(expected, abs=1)
    endpoint = record["result"]["endpoint"]
    tilejson = server.get(endpoint + "/WebMercatorQuad/tilejson.json").json()
    assert tilejson["bounds"][1] >= -85.06 and tilejson["bounds"][3] <= 85.06
    tile = server.get(endpoint + "/tiles/WebMercatorQuad/1/1/0.png").content
    with rasterio.open(io.BytesIO(tile)) as picture:
        shown = picture.read(picture.count) > 0
    # East of 90 degrees only the far north is not seen from 140.7 degrees east.
    assert shown[:, 128:].mean() > 0.7
    assert server.get(endpoint + "/point/140,30").json()["values"][0] is not None
    assert server.get(endpoint + "/preview.png").status_code == 200


def test_files_beside_the_raster_cannot_lead_elsewhere(server: Server, folder: Path, name: str):
    """GDAL would open overviews and masks beside a file with any driver, also one that asks another machine."""
    asked = []
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    listener = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    source = rasters.write(folder / "lure.tif", rasters.picture(100))
    vrt = (
        '<VRTDataset rasterXSize="50" rasterYSize="50"><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>'
        f"/vsicurl/http://127.0.0.1:{listener.server_port}/x.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    for suffix in (".ovr", ".msk"):
        (folder / f"lure.tif{suffix}").write_text(vrt)
        (folder / f"lure.tif{suffix}").chmod(0o644)
    try:
        assert server.ready(name, source)["status"] == "ready"
    finally:
        listener.shutdown()
    assert asked == []


def test_what_lies_beside_a_raster_and_belongs_to_it_is_read(server: Server, folder: Path, name: str):
    """A world file says where it lies; a mask says what counts."""
    source = rasters.write(folder / "beside.tif", rasters.picture(100), transform=None, crs=None)
    (folder / "beside.tfw").write_text("10\n0\n0\n-10\n500005\n5499995\n")
    (folder / "beside.tfw").chmod(0o644)
    record = server.ready(name, source, "--crs", "EPSG:25832")
    with rasterio.open(rasters.file_of(server, record)) as file:
        assert file.transform == rasters.PLACE


def test_a_raster_that_vanishes_half_way_is_told_of(server: Server, folder: Path, name: str):
    source = rasters.big(folder / "vanishes.tif", 6_000)
    watcher = server.begin(name, source)
    watcher.wait_for("reading or writing", lambda s: s["progress"]["step"] in ("validate_raster", "process_raster")
        and s["progress"].get("done", 0) > 0)  # fmt: skip
    source.unlink()
    assert watcher.end() != 0
    problem = watcher.statuses[-1]["problem"]
    assert problem["reason"] in ("SOURCE_NOT_FOUND", "SOURCE_CHANGED"), problem
    server.wait_until_clean()


def test_a_raster_that_is_rewritten_meanwhile_is_not_served_half(server: Server, folder: Path, name: str):
    source = rasters.big(folder / "rewritten.tif", 6_000)
    watcher = server.begin(name, source)
    watcher.wait_for("reading", lambda s: s["progress"]["step"] in ("validate_raster", "process_raster")
        and s["progress"].get("done", 0) > 0)  # fmt: skip
    rasters.write(source, rasters.picture(300))
    assert watcher.end() != 0
    assert watcher.statuses[-1]["problem"]["reason"] == "SOURCE_CHANGED"
    server.wait_until_clean()


def test_a_full_disk_leaves_nothing(new_server, place: Path, installation, sources: Path, name: str):
    """The scratch folder takes half a MiB more, and the raster needs sixteen."""
    source = rasters.write(sources / "full.tif", rasters.noise(4_000), tiled=True)
    server = new_server()
    disk = FullDisk(build_library(place), server.data / "scratch", place / "disk.control")
    program = disk.wrapper(place / "full-disk-task", installation.command("terrane-task"))
    server.options = (*server.options, "--task-program", str(program))
    server.start()
    disk.fill(500_000)
    answer = server.create(name, source)
    assert disk.refused > 0
    assert answer.problem["reason"] == "DISK_FULL", answer.problem
    assert list((server.data / "scratch").iterdir()) == []
    disk.free()
    assert server.cli("retry", name, "--watch").code == 0
    assert server.record(name)["status"] == "ready"
    server.wait_until_clean()
