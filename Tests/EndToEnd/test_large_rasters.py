"""A raster too large for one file becomes tiles that nobody sees: one mosaic, without seams."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate
from support import clients, rasters
from support.server import Server
from support.waiting import until

# Multiples of 16: else the one piece's overviews are not of whole pixels.
WIDTH, HEIGHT = 9_008, 8_608


@pytest.fixture(scope="module")
def splitter(new_server) -> Server:
    """Takes 50 MB of pixels for a large raster."""
    return new_server("--large-raster", "50", "--retry-window", "0").start()


@pytest.fixture(scope="module")
def source(sources: Path) -> Path:
    return rasters.wide(sources / "wide.tif", WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def made(splitter: Server, source: Path) -> dict:
    return splitter.ready("large/wide/v1", source, "--title", "Wide", timeout=240)


def test_the_probe_leads_there_and_not_the_client(splitter: Server, made: dict, sources: Path):
    steps = "SELECT job_type FROM coremachine.jobs WHERE operation_id = %s ORDER BY step"
    assert [step for (step,) in splitter.rows(steps, made["operation"]["id"])] == [
        "probe", "validate_raster", "process_large_raster", "create_mosaic", "stac_catalog_collection", "verify"
    ]  # fmt: skip
    assert made["spec"]["type"] == "raster"
    [mosaic] = made["result"]["rasters"]
    assert (mosaic["scene_count"], mosaic["width"], mosaic["height"]) == (4, WIDTH, HEIGHT)
    small = splitter.ready("large/small/v1", rasters.write(sources / "not-large.tif", rasters.picture(300, 1)))
    assert small["result"]["rasters"][0]["scene_count"] == 0
    refused = splitter.cli("create", "large/asked/v1", "--type", "large-raster", "--source", str(sources / "wide.tif"))
    assert refused.problem["reason"] == "DATASET_TYPE_UNSUPPORTED"


def test_tiles_are_the_raster_cut_at_their_seams(splitter: Server, made: dict, source: Path, tmp_path: Path):
    """Pixels and overviews are those of one piece, also right beside a seam."""
    files = rasters.files_of(splitter, made)
    assert sorted(files) == ["r00_c00", "r00_c01", "r01_c00", "r01_c01", "~overview"]
    whole = tmp_path / "whole.tif"
    subprocess.run(
        ["gdal_translate", "-q", "-of", "COG", "-co", "COMPRESS=DEFLATE", "-co", "OVERVIEW_RESAMPLING=AVERAGE", str(source), str(whole)],
        check=True, timeout=240,
    )  # fmt: skip
    with rasterio.open(whole) as one:
        for name, file in files.items():
            if name == "~overview":
                continue
            assert cog_validate(file, strict=True)[0], name
            with rasterio.open(file) as tile:
                column, row = round((tile.bounds.left - one.bounds.left) / 10), round((one.bounds.top - tile.bounds.top) / 10)
                window = Window(column, row, tile.width, tile.height)
                np.testing.assert_array_equal(tile.read(1), one.read(1, window=window))
                for factor in tile.overviews(1):
                    shape = (-(-tile.height // factor), -(-tile.width // factor))
                    with rasterio.open(file, overview_level=tile.overviews(1).index(factor)) as small:
                        got = small.read(1)
                    level = one.overviews(1).index(factor)
                    with rasterio.open(whole, overview_level=level) as small:
                        part = Window(column // factor, row // factor, shape[1], shape[0])
                        expected = small.read(1, window=part)
                    np.testing.assert_array_equal(got, expected)


def test_it_is_one_map(splitter: Server, made: dict):
    endpoint, box = made["result"]["endpoint"], made["result"]["bbox"]
    # Where the four tiles meet.
    longitude = box["west"] + (box["east"] - box["west"]) * 8192 / WIDTH
    latitude = box["north"] - (box["north"] - box["south"]) * 8192 / HEIGHT
    for zoom in (14, 12):
        column, row = clients.tile_at(longitude, latitude, zoom)
        answer = splitter.get(f"{endpoint}/tiles/WebMercatorQuad/{zoom}/{column}/{row}.png")
        assert answer.status_code == 200
        with rasterio.open(io.BytesIO(answer.content)) as picture:
            pixels, seen = picture.read(1).astype("int16"), picture.dataset_mask() > 0
        for axis in (0, 1):
            steps = np.abs(np.diff(pixels, axis=axis))
            inside = np.logical_and(*(np.delete(seen, end, axis) for end in (0, -1)))
            assert inside.sum() > 20_000 and steps[inside].max() < 60, "no line at the seam"
    used = splitter.get(f"{endpoint}/tiles/WebMercatorQuad/5/{'/'.join(map(str, clients.tile_at(longitude, latitude, 5)))}/assets").json()
    assert used == ["overview"]
    item = splitter.get(f"{endpoint}/scenes/r01_c00").json()
    assert item["properties"]["proj:shape"] == [HEIGHT - 8192, 8192]
    statistics = made["result"]["rasters"][0]["bands"][0]["statistics"]
    assert statistics["minimum"] < 30 and statistics["maximum"] > 220
    assert "statistics" not in item["assets"]["data"]["bands"][0], "a tile does not claim the whole's"


def test_sixteen_bits_without_a_value_for_nothing(splitter: Server, sources: Path):
    """What lies beside the scenes is nothing by alpha, which has to be of 16 bits, too."""
    columns = np.arange(9_008, dtype="uint16")
    pixels = np.broadcast_to(columns * 7, (3_000, 9_008))
    record = splitter.ready("large/wide16/v1", rasters.write(sources / "wide16.tif", pixels, tiled=True), timeout=240)
    assert record["result"]["rasters"][0]["scene_count"] == 2
    files = rasters.files_of(splitter, record)
    [overview] = [file for name, file in files.items() if name.startswith("~")]
    with rasterio.open(overview) as file:
        assert file.dtypes == ("uint16", "uint16") and file.width == 4_096
        np.testing.assert_allclose(file.read(1)[700, ::512], (np.arange(0, 4_096, 512) + 0.5) * 9_008 / 4_096 * 7, atol=20)
        assert (file.read(2) > 0).all()
    shown = splitter.get(record["result"]["endpoint"] + "/preview.png").content
    with rasterio.open(io.BytesIO(shown)) as picture:
        assert (picture.read(4) == 255).all() and len(np.unique(picture.read(1))) > 50


def test_tiles_follow_the_request(splitter: Server, source: Path):
    record = splitter.ready("large/moved/v1", source, "--target-crs", "EPSG:3857", "--resolution", "14", timeout=240)
    [mosaic] = record["result"]["rasters"]
    assert mosaic["crs"] == "EPSG:3857" and mosaic["scene_count"] == 4
    files = rasters.files_of(splitter, record)
    with rasterio.open(files["r00_c00"]) as left, rasterio.open(files["r00_c01"]) as right:
        assert left.crs.to_epsg() == 3857 and left.res == right.res == (14, 14)
        assert left.bounds.right == pytest.approx(right.bounds.left) and left.bounds.top == right.bounds.top


def test_a_killed_server_keeps_the_tiles_that_were_done(splitter: Server, source: Path):
    watcher = splitter.begin("large/killed/v1", source, "--timeout", "300")
    present = (
        # Of tasks that have ended: a file is there a moment before.
        "SELECT l.identifier FROM coremachine.ledger l JOIN datasets.datasets d ON d.pk = l.subject"
        " JOIN coremachine.tasks t USING (task_id)"
        " WHERE l.kind = 'file' AND l.state = 'PRESENT' AND t.state = 'SUCCEEDED' AND d.resource_id = 'killed'"
    )
    until(lambda: splitter.rows(present), "a tile is done", 120, every=0.02)
    done = {name for (name,) in splitter.rows(present)}
    splitter.kill9()
    splitter.start()
    assert watcher.end(240) == 0, watcher.statuses[-1]
    files = rasters.files_of(splitter, splitter.record("large/killed/v1"))
    assert done <= {str(file.relative_to(splitter.data / "files")) for file in files.values()}
    splitter.wait_until_clean()


def test_a_cancelled_large_raster_leaves_nothing(splitter: Server, source: Path):
    before = set((splitter.data / "files").rglob("*.tif"))
    watcher = splitter.begin("large/cancelled/v1", source)
    watcher.wait_for("tiles", lambda s: s["progress"]["step"] == "process_large_raster" and s["progress"].get("done", 0) > 0, 120)
    children = splitter.tasks
    assert splitter.cli("cancel", "large/cancelled/v1").code == 0
    until(lambda: not any(child.is_running for child in children), "the children are dead", 5)
    assert watcher.end(30) != 0
    until(lambda: set((splitter.data / "files").rglob("*.tif")) == before, "what was done is gone", 60)
    splitter.wait_until_clean()
