"""Tiles of the low zooms that were drawn beforehand: one MBTiles file, and nobody sees where it ends."""

import io
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_bounds, from_origin
from support import clients, rasters
from support.server import Server, Watcher
from support.waiting import until

RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


def world(path: Path, width: int = 4_200) -> Path:
    """The whole world, in degrees."""
    pixels = rasters.picture(width)[:, : width // 2]
    return rasters.write(
        path, pixels, crs="EPSG:4326", transform=from_bounds(-180, -90, 180, 90, width, width // 2), colours=RGB, photometric="RGB"
    )


def archive(server: Server, record: dict) -> Path:
    """Where the server keeps the tiles."""
    return rasters.files_of(server, record)["~tiles"]


def kept(path: Path) -> dict[tuple[int, int, int], bytes]:
    with sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True) as database:
        rows = database.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
    return {(z, x, 2**z - 1 - y): tile for z, x, y, tile in rows}


@pytest.fixture(scope="module")
def made(server: Server, sources: Path) -> dict:
    return server.ready("tiles/world/v1", world(sources / "tiles-world.tif"), "--tiles", "--title", "It's a world", timeout=300)


def test_every_tile_of_the_low_zooms_is_kept(server: Server, made: dict):
    [served] = made["result"]["rasters"]
    assert made["spec"]["raster_options"]["enable_tiles"] and served["tile_cache_url"].endswith("/tiles.mbtiles")
    tiles = kept(archive(server, made))
    # A world of 4,200 pixels is drawn to zoom 4: 1 + 4 + 16 + 64 + 256 tiles.
    assert served["tile_cache_maxzoom"] == 4 and len(tiles) == 341
    endpoint = made["result"]["endpoint"]
    for zoom, column, row in [(0, 0, 0), (2, 1, 1), (3, 7, 0), (4, 9, 5)]:
        address = f"{endpoint}/tiles/WebMercatorQuad/{zoom}/{column}/{row}.png"
        answer = server.get(address)
        assert answer.content == tiles[zoom, column, row] and answer.headers["content-type"] == "image/png"
        # Asked for in other words it is drawn, and is the same picture.
        drawn = server.get(address + "?bidx=1&bidx=2&bidx=3")
        with rasterio.open(io.BytesIO(answer.content)) as a, rasterio.open(io.BytesIO(drawn.content)) as b:
            assert (a.read() == b.read()).all()
    assert server.get(f"{endpoint}/tiles/WebMercatorQuad/5/20/10.png").status_code == 200
    with rasterio.open(io.BytesIO(server.get(f"{endpoint}/tiles/WebMercatorQuad/3/4/3.png?tilesize=512").content)) as larger:
        assert larger.width == 512


def test_the_file_is_one_that_others_read(server: Server, made: dict, tmp_path: Path):
    path = tmp_path / "world.mbtiles"
    path.write_bytes(server.get(made["result"]["rasters"][0]["tile_cache_url"]).content)
    assert path.read_bytes() == archive(server, made).read_bytes()
    told = subprocess.run(["gdalinfo", str(path)], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and "Driver: MBTiles" in told.stdout and "ERROR" not in told.stderr
    assert "It's a world" in told.stdout
    small = tmp_path / "small.tif"
    done = subprocess.run(["gdal_translate", "-q", "-outsize", "300", "300", str(path), str(small)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr
    with rasterio.open(small) as picture:
        assert len(np.unique(picture.read(1))) > 50
    with sqlite3.connect(path) as database:
        metadata = dict(database.execute("SELECT name, value FROM metadata"))
    assert metadata["format"] == "png" and (metadata["minzoom"], metadata["maxzoom"]) == ("0", "4")
    assert [round(float(one), 2) for one in metadata["bounds"].split(",")] == [-180, -85.05, 180, 85.05]
    item = server.get(made["result"]["endpoint"] + "/item").json()
    asset = item["assets"]["tile_cache"]
    assert asset["href"] == made["result"]["rasters"][0]["tile_cache_url"] and asset["file:size"] == path.stat().st_size


def test_of_a_small_place_only_what_shows_it(server: Server, folder: Path, name: str):
    """Bands that are picked and a value for nothing: from afar it is a pixel of the tile."""
    source = rasters.write(folder / "place.tif", rasters.picture(700, 4).astype("uint16") * 7, nodata=0)
    record = server.ready(name, source, "--tiles", timeout=300)
    tiles = kept(archive(server, record))
    highest = record["result"]["rasters"][0]["tile_cache_maxzoom"]
    assert highest >= 13 and len(tiles) < 200
    box = record["result"]["bbox"]
    for zoom in (4, 9, highest):
        tile = (zoom, *clients.tile_at((box["west"] + box["east"]) / 2, (box["south"] + box["north"]) / 2, zoom))
        assert tile in tiles


@pytest.mark.parametrize("kind", ["collection", "mosaic"])
def test_of_many_scenes(server: Server, folder: Path, name: str, kind: str):
    for column in range(2):
        rasters.write(
            folder / f"s{column}.tif", rasters.picture(400), transform=from_origin(500_000 + 4_000 * column, 5_500_000, 10, 10), colours=RGB,
            photometric="RGB",
        )  # fmt: skip
    if kind == "collection":
        record = server.ready(name, f"{folder}/*.tif", "--tiles", timeout=300)
    else:
        for column in range(2):
            server.ready(f"{name}m{column}", folder / f"s{column}.tif")
        answer = server.cli("create", name, "--member", f"{name}m0", "--member", f"{name}m1", "--tiles", "--watch", timeout=240)
        assert answer.code == 0, answer.problem
        record = server.record(name)
    [served] = record["result"]["rasters"]
    assert served["scene_count"] == 2 and "~tiles" not in server.get(served["scenes_url"]).text
    tiles = kept(archive(server, record))
    (zoom, column, row), tile = max(tiles.items())
    assert server.get(f"{record['result']['endpoint']}/tiles/WebMercatorQuad/{zoom}/{column}/{row}.png").content == tile
    collection = server.get(record["result"]["stac_collection_url"]).json()
    assert collection["assets"]["tile_cache"]["href"] == served["tile_cache_url"]
    assert server.get(served["tile_cache_url"]).content.startswith(b"SQLite format 3")


def test_a_new_build_has_new_tiles_and_a_purge_takes_them(server: Server, folder: Path, name: str):
    source = rasters.write(folder / "c.tif", np.full((3, 300, 300), 60, "uint8"), colours=RGB, photometric="RGB")
    first = server.ready(name, source, "--tiles")
    rasters.write(source, np.full((3, 300, 300), 200, "uint8"), colours=RGB, photometric="RGB")
    assert server.cli("reprocess", name, "--watch").code == 0
    second = server.record(name)
    assert archive(server, second) != archive_name(server, first)
    tile = next(iter(sorted(kept(archive(server, second)).items(), reverse=True)))[1]
    with rasterio.open(io.BytesIO(tile)) as picture:
        assert abs(int(picture.read(1)[picture.read(picture.count) > 0].mean()) - 200) <= 3
    path = archive(server, second)
    assert server.cli("delete", name, "--purge").code == 0
    until(lambda: not path.exists(), "the tiles are gone", 60)
    server.wait_until_clean(60)


def archive_name(server: Server, record: dict) -> Path | None:
    rows = server.rows(
        "SELECT l.identifier FROM coremachine.ledger l JOIN datasets.datasets d ON d.pk = l.subject WHERE d.key = %s AND l.operation_id = %s"
        " AND l.identifier LIKE '%%.mbtiles'",
        bytes.fromhex(record["dataset_key"]), record["result"]["build"],
    )  # fmt: skip
    return server.data / "files" / rows[0][0] if rows else None


@pytest.fixture(scope="module")
def busy(sources: Path) -> Path:
    return world(sources / "tiles-busy.tif", 6_000)


def drawing(watcher: Watcher) -> dict:
    return watcher.wait_for("the tiles", lambda s: s["progress"]["step"] == "generate_tile_cache" and s["progress"].get("done", 0) > 20, 120)


def assert_made(server: Server, name: str) -> None:
    record = server.record(name)
    assert record["status"] == "ready" and len(kept(archive(server, record))) == 341
    server.wait_until_clean(60)


def test_a_killed_task_draws_again(victim: Server, busy: Path, name: str):
    watcher = victim.begin(name, busy, "--tiles", "--timeout", "300")
    event = drawing(watcher)
    assert event["status"]["progress"]["unit"] == "tiles" and event["status"]["progress"]["total"] == 341
    [child] = victim.tasks
    child.kill()
    assert watcher.end(240) == 0, watcher.statuses[-1]
    percents = [status["progress"]["percent"] for status in watcher.statuses]
    assert percents == sorted(percents)
    assert_made(victim, name)


def test_a_killed_server_goes_on_when_started_again(victim: Server, busy: Path, name: str):
    watcher = victim.begin(name, busy, "--tiles", "--timeout", "300")
    drawing(watcher)
    victim.kill9()
    victim.start()
    assert watcher.end(240) == 0, watcher.errors
    assert_made(victim, name)


def test_a_cancelled_drawing_leaves_nothing(victim: Server, busy: Path, name: str):
    watcher = victim.begin(name, busy, "--tiles")
    drawing(watcher)
    children = victim.tasks
    assert victim.cli("cancel", name).code == 0
    until(lambda: not any(child.is_running for child in children), "the child is dead", 2 + 3)
    assert watcher.end(30) != 0
    assert victim.record(name)["status"] == "cancelled"
    victim.wait_until_clean(60)
    assert not list((victim.data / "scratch").iterdir())
