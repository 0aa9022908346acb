"""A GeoTIFF becomes what it should be: the same pixels, cloud-optimised by kind, described, and served as clients ask for it."""

import io
import math
import subprocess
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate
from support import clients, desktop, rasters
from support.server import Server

RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


def palette() -> dict[int, tuple]:
    return {n: (n * 9 % 256, n * 40 % 256, n * 90 % 256, 255) for n in range(20)}


def classes(side: int = 700) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side]
    return ((x // 37 + y // 53) % 9 + 1).astype("uint8")


def alpha(side: int = 700) -> np.ndarray:
    pixels = rasters.picture(side, 4)
    pixels[3] = 255
    pixels[3, :100, :100] = 0
    return pixels


# kind: what makes it, what it is written with, whether values stay
KINDS = {
    "rgb": (lambda p: rasters.write(p, rasters.picture(), colours=RGB, photometric="RGB"), "jpeg", "psnr"),
    "rgba": (lambda p: rasters.write(p, alpha(), colours=[*RGB, ColorInterp.alpha]), "webp", "psnr"),
    "rgb-nodata": (lambda p: rasters.write(p, rasters.picture(), colours=RGB, photometric="RGB", nodata=0), "deflate", "equal"),
    "elevation": (lambda p: rasters.write(p, rasters.heights(), units="m"), "lerc", "lerc"),
    "elevation-whole": (lambda p: rasters.write(p, rasters.heights().astype("int16"), units="metre", nodata=-9999), "lerc", "equal"),
    "palette": (lambda p: rasters.write(p, classes(), colormap=palette(), photometric="PALETTE"), "deflate", "equal"),
    "classes": (lambda p: rasters.write(p, classes()), "deflate", "equal"),
    "multispectral": (lambda p: rasters.write(p, rasters.picture(bands=7).astype("uint16") * 40), "deflate", "equal"),
    "float64": (lambda p: rasters.write(p, rasters.heights().astype("float64") / 3), "deflate", "equal"),
    "int64": (lambda p: rasters.write(p, rasters.heights().astype("int64") * 1_000_000_007), "deflate", "equal"),
    "uint64": (lambda p: rasters.write(p, rasters.heights().astype("uint64") * 5_000_000_011), "deflate", "equal"),
    "nan": (lambda p: rasters.write(p, np.where(classes() < 3, np.nan, rasters.heights()), nodata=math.nan), "deflate", "equal"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_raster_is_served_as_what_it_is(server: Server, folder: Path, name: str, kind: str):
    make, compression, fidelity = KINDS[kind]
    source = make(folder / f"{kind}.tif")
    record = server.ready(name, source, "--title", f"Raster {kind}")
    [served] = record["result"]["rasters"]
    assert record["result"]["treatment"]["raster"]["compression"] == compression
    assert record["result"]["capabilities"] == {"ogc_features": False, "vector_tiles": False, "map_tiles": True, "stac": True}
    file = rasters.file_of(server, record)
    valid, errors, warnings = cog_validate(file, strict=True)
    assert valid, (errors, warnings)
    with rasterio.open(source) as before, rasterio.open(file) as after:
        assert (before.crs, before.transform, before.shape, before.dtypes) == (after.crs, after.transform, after.shape, after.dtypes)
        assert [after.overviews(1) != []] == [max(before.shape) > 512]
        assert before.nodatavals == after.nodatavals or np.isnan(before.nodata) and np.isnan(after.nodata)
        assert before.colorinterp == after.colorinterp
        compare(before.read(), after.read(), fidelity)
        if kind == "palette":
            assert after.colormap(1)[3] == palette()[3]
            values = set(np.unique(after.read(1, out_shape=(90, 90))))
            assert values <= set(range(1, 10)), "overviews of classes have classes"
    assert served["bytes"] == file.stat().st_size
    if kind != "rgba":  # of which GDAL counts transparent pixels as well
        assert rasters.statistics_faults(source, served["bands"]) == []
    check_item(server, record, file)
    check_tile(server, served)


def compare(before: np.ndarray, after: np.ndarray, fidelity: str) -> None:
    if fidelity == "equal":
        np.testing.assert_array_equal(before, after)
    elif fidelity == "lerc":
        assert float(np.max(np.abs(before.astype("float64") - after))) <= 0.001 + float(np.spacing(np.float32(np.max(before))))
    else:
        # Nobody sees what colour a pixel has that is transparent.
        seen = before[3:4] > 0 if len(before) == 4 else np.ones_like(before[:1], bool)
        assert rasters.psnr(before * seen, after * seen) >= 35


def check_item(server: Server, record: dict, file: Path) -> None:
    """The catalogue's item is valid, and its extensions are read by their own classes."""
    item = clients.stac_item(server.public_url, record)
    assert item is not None
    clients.check_item(item, file)
    collection = pystac.Collection.from_dict(server.get(record["result"]["stac_collection_url"]).json())
    collection.validate()
    assert item.bbox == pytest.approx([record["result"]["bbox"][side] for side in ("west", "south", "east", "north")])
    downloaded = server.get(item.assets["data"].href)
    assert downloaded.content == file.read_bytes()
    assert server.get(item.assets["thumbnail"].href).headers["content-type"] == "image/png"


def check_tile(server: Server, served: dict) -> None:
    """A tile over the middle shows something; values come as they are stored."""
    box = served["bbox"]
    longitude, latitude = (box["west"] + box["east"]) / 2, (box["south"] + box["north"]) / 2
    column, row = clients.tile_at(longitude, latitude, 12)
    url = served["tiles_url"].format(z=12, x=column, y=row)
    answer = server.get(url)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png", answer.text
    with rasterio.open(io.BytesIO(answer.content)) as tile:
        assert tile.dtypes[0] == "uint8" and tile.shape == (256, 256)
        assert len(np.unique(tile.read(1))) > 1, "a picture, not one colour"
    # The same again is not sent again.
    again = server.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert answer.headers["cache-control"] == "no-cache"
    values = server.get(f"{url.split('/tiles/')[0]}/point/{longitude},{latitude}").json()["values"]
    assert len(values) == len([band for band in served["bands"] if band["colour"] != "alpha"])


@pytest.fixture(scope="module")
def heights(server: Server, sources: Path) -> dict:
    return server.ready("rasters/heights/v1", rasters.write(sources / "heights.tif", rasters.heights(1500), units="m"))


def test_pixels_move_where_the_request_says(server: Server, folder: Path, name: str):
    source = rasters.write(folder / "moved.tif", rasters.heights(), units="m")
    record = server.ready(name, source, "--target-crs", "EPSG:3857", "--resolution", "30", "--compression", "deflate")
    [served] = record["result"]["rasters"]
    assert served["crs"] == record["result"]["crs"] == "EPSG:3857"
    assert record["result"]["treatment"]["source_crs"] == "EPSG:25832"
    assert record["result"]["treatment"]["raster"]["resampling"] == "bilinear"
    file = rasters.file_of(server, record)
    warped = folder / "expected.tif"
    subprocess.run(
        ["gdalwarp", "-q", "-t_srs", "EPSG:3857", "-tr", "30", "30", "-r", "bilinear", "-dstnodata", "nan", source, warped], check=True, timeout=60
    )
    with rasterio.open(file) as ours, rasterio.open(warped) as theirs:
        assert ours.transform == theirs.transform and ours.shape == theirs.shape
        # GDAL interpolates the transformation itself, over other blocks: a hundredth of a pixel.
        np.testing.assert_allclose(ours.read(1), theirs.read(1), atol=0.05)
        valid = ours.read(1)[np.isfinite(ours.read(1))]
        statistics = served["bands"][0]["statistics"]
        assert statistics["mean"] == pytest.approx(float(valid.astype("float64").mean()), rel=1e-9), "of what is served"
        assert statistics["valid_share"] == pytest.approx(valid.size / ours.read(1).size)
    assert cog_validate(file, strict=True)[0]


@pytest.mark.parametrize("method", ["average", "mode"])
def test_pixels_move_as_the_request_says(server: Server, folder: Path, name: str, method: str):
    source = rasters.write(folder / "moved.tif", (rasters.picture(300, 1) // 50).astype("uint8"))
    record = server.ready(name, source, "--resolution", "25", "--resampling", method, "--compression", "deflate")
    assert record["result"]["treatment"]["raster"]["resampling"] == method
    warped = folder / "expected.tif"
    subprocess.run(["gdalwarp", "-q", "-tr", "25", "25", "-r", method, "-dstalpha", source, warped], check=True, timeout=60)
    with rasterio.open(rasters.file_of(server, record)) as ours, rasterio.open(warped) as theirs:
        np.testing.assert_array_equal(ours.read(1), theirs.read(1))


def test_options_do_what_they_say(server: Server, folder: Path, name: str):
    source = rasters.write(folder / "options.tif", rasters.heights(), units="m")
    record = server.ready(
        name, source, "--compression", "zstd", "--resampling", "nearest", "--no-overviews", "--no-statistics", "--rescale", "0,1500",
        "--colormap", "magma",
    )  # fmt: skip
    [served] = record["result"]["rasters"]
    assert "statistics" not in served["bands"][0]
    asked = {
        "resampling": "nearest", "compression": "zstd", "generate_statistics": False, "build_overviews": False,
        "colormap": "magma", "rescale": [{"minimum": 0.0, "maximum": 1500.0}],
    }  # fmt: skip
    told = record["spec"]["raster_options"]
    assert {name: told[name] for name in asked} == asked
    with rasterio.open(rasters.file_of(server, record)) as file:
        assert file.compression.name == "zstd" and file.overviews(1) == []
    explicit = server.get(record["result"]["endpoint"] + "/preview.png?bidx=1&rescale=0,1500&colormap_name=magma").content
    assert server.get(record["result"]["endpoint"] + "/preview.png").content == explicit
    item = server.get(record["result"]["endpoint"] + "/item").json()
    assert item["properties"]["renders"]["default"]["colormap_name"] == "magma"
    assert "statistics" not in item["assets"]["data"]["raster:bands"][0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--compression", "jpeg"], "OPTION_UNSUITABLE"),
        (["--target-crs", "EPSG:999999"], "CRS_INVALID"),
        (["--target-crs", "/etc/passwd"], "CRS_INVALID"),
        (["--compression", "gif"], "INVALID_ARGUMENT"),
        (["--rescale", "9,1"], "INVALID_ARGUMENT"),
        (["--layer", "a"], "INVALID_ARGUMENT"),
        (["--colormap", "../x"], "INVALID_ARGUMENT"),
        (["--colormap", "virdis"], "INVALID_ARGUMENT"),
        (["--resolution", "0.001"], "RASTER_TOO_LARGE"),
        (["--resolution", "1e9"], "OPTION_UNSUITABLE"),
        (["--rescale", "0,1", "--rescale", "0,2"], "OPTION_UNSUITABLE"),
    ],
)
def test_options_that_cannot_be_are_refused(server: Server, folder: Path, name: str, options: list[str], reason: str):
    source = rasters.write(folder / "options.tif", rasters.heights(40), units="m")
    answer = server.create(name, source, *options)
    assert answer.code != 0 and answer.problem["reason"] == reason, answer
    assert answer.problem["user_fixable"] or reason == "INVALID_ARGUMENT"
    # Known before a pixel is read.
    if reason == "INVALID_ARGUMENT":
        assert "virdis" not in options or "viridis" in answer.problem["message"]
    else:
        steps = server.rows("SELECT job_type FROM coremachine.jobs WHERE operation_id = %s", server.record(name)["operation"]["id"])
        assert steps == [("probe",)]


def test_classes_have_a_colour_each(server: Server, folder: Path, name: str):
    """Stretched from the smallest to the largest, those of small numbers would share one."""
    classes = np.repeat(np.array([1, 2, 3, 4, 5, 255], "uint8"), 20)[:, np.newaxis].repeat(120, axis=1)
    record = server.ready(name, rasters.write(folder / "classes.tif", classes))
    assert record["result"]["rasters"][0]["kind"] == "categorical"
    endpoint = record["result"]["endpoint"]

    def colours(query: str = "") -> set[tuple[int, ...]]:
        with rasterio.open(io.BytesIO(server.get(endpoint + "/preview.png" + query).content)) as picture:
            return set(map(tuple, picture.read([1, 2, 3]).reshape(3, -1).T.tolist()))

    assert len(colours()) == 6
    item = server.get(endpoint + "/item").json()["properties"]["renders"]["default"]
    assert {tuple(colour[:3]) for colour in item["colormap"].values()} == colours()
    assert len(colours("?colormap_name=tab20&rescale=1,255")) < 6
    collection = server.ready(name + "c", f"{folder}/*.tif")
    endpoint = collection["result"]["endpoint"]
    assert len(colours()) == 6


def test_a_colour_map_is_for_one_band(server: Server, folder: Path, name: str):
    picture = rasters.write(folder / "picture.tif", rasters.picture(40), colours=[ColorInterp.red, ColorInterp.green, ColorInterp.blue])
    answer = server.create(name, picture, "--colormap", "viridis")
    assert answer.problem["reason"] == "OPTION_UNSUITABLE" and "bands 1, 2, 3" in answer.problem["message"]


def test_a_dataset_says_where_everything_is(server: Server, heights: dict):
    endpoint = heights["result"]["endpoint"]
    page = server.get(endpoint + "/").json()
    hrefs = {link["href"] for link in page["links"]}
    assert {f"{endpoint}/data.tif", f"{endpoint}/item", f"{endpoint}/WMTSCapabilities.xml", f"{endpoint}/api"} <= hrefs
    for link in page["links"]:
        answer = server.get(link["href"])
        assert answer.status_code == 200, link
    assert server.get(endpoint, allow_redirects=False).status_code == 307
    listed = server.get("/").json()["datasets"]
    assert [one["kind"] for one in listed if one["href"] == endpoint] == ["raster"]
    tilejson = server.get(heights["result"]["rasters"][0]["tilejson_url"]).json()
    assert tilejson["bounds"] == pytest.approx([heights["result"]["bbox"][side] for side in ("west", "south", "east", "north")])
    info = server.get(endpoint + "/info").json()
    assert (info["width"], info["height"], info["dtype"]) == (1500, 1500, "float32")
    statistics = server.get(endpoint + "/statistics?max_size=1500").json()["b1"]
    ours = heights["result"]["rasters"][0]["bands"][0]["statistics"]
    assert statistics["mean"] == pytest.approx(ours["mean"], rel=1e-4)


def test_nothing_tells_where_files_lie(server: Server, heights: dict):
    endpoint = heights["result"]["endpoint"]
    hidden = (str(server.data), "/files/", rasters.file_of(server, heights).name)
    for path in ("/", "/?f=html", "/info", "/info.geojson", "/item", "/tiles", "/tiles/WebMercatorQuad", "/WMTSCapabilities.xml",
                 "/WebMercatorQuad/tilejson.json", "/statistics", "/api", "/conformance"):  # fmt: skip
        answer = server.get(endpoint + path)
        assert answer.status_code == 200, path
        assert not [word for word in hidden if word in answer.text], path


def test_the_file_is_read_in_ranges(server: Server, heights: dict, tmp_path: Path):
    url = heights["result"]["rasters"][0]["download_url"]
    whole = rasters.file_of(server, heights).read_bytes()
    part = server.get(url, headers={"Range": "bytes=100-299"})
    assert part.status_code == 206 and part.content == whole[100:300]
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(f"/vsicurl/{url}") as remote:
        assert remote.shape == (1500, 1500)
        assert remote.read(1, window=((700, 710), (700, 710))).shape == (10, 10)


def test_gdal_reads_the_tiles_as_a_desktop_would(server: Server, heights: dict, tmp_path: Path):
    assert desktop.read_with_gdal(heights, tmp_path)["wmts"].std() > 10


def test_owslib_reads_the_capabilities(server: Server, heights: dict):
    desktop.read_with_owslib(heights, zoom=11)


def test_tiles_beside_the_raster_are_empty_and_those_that_cannot_be_are_missing(server: Server, heights: dict):
    tiles = heights["result"]["endpoint"] + "/tiles/WebMercatorQuad"
    assert server.get(f"{tiles}/12/0/0.png").status_code == 204
    for wrong in ("99/0/0.png", "3/8/0.png", "3/0/8.png", "3/-1/0.png", "3/0/99999999999999999999.png"):
        assert server.get(f"{tiles}/{wrong}").status_code in (400, 404), wrong
    assert server.get(f"{heights['result']['endpoint']}/point/0,0").status_code == 404


def test_a_new_build_replaces_the_old_and_its_file(server: Server, folder: Path, name: str):
    source = rasters.write(folder / "again.tif", rasters.heights(300), units="m")
    record = server.ready(name, source)
    endpoint, old = record["result"]["endpoint"], rasters.file_of(server, record)
    before = server.get(endpoint + "/info").json()
    rasters.write(source, rasters.heights(200), units="m")
    answer = server.cli("reprocess", name, "--watch")
    assert answer.code == 0, answer
    assert before["width"] == 300 and server.get(endpoint + "/info").json()["width"] == 200
    new = rasters.file_of(server, server.record(name))
    assert new != old and old.exists(), "readers of the old one read on for a while"
    assert server.cli("delete", name).code == 0
    assert server.get(endpoint + "/info").status_code == 404
    assert server.cli("undelete", name).code == 0
    assert server.get(endpoint + "/info").json()["width"] == 200
    assert server.cli("delete", name, "--purge").code == 0
    server.wait_until_clean(60)
    assert not new.exists() and not old.exists()
    assert server.cli("get", name).code == 4
