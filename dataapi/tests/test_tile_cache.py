"""Tiles that were drawn beforehand: which requests they answer, and which are drawn."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples

HILLS, PIECES = "/api/data/hills/heights/v1", "/api/data/pieces/picture/v1"
# What no renderer makes: a kept tile is known by it.
KEPT = b"\x89PNG kept"
SETS = {HILLS: (samples.HILLS, (7, 67, 43)), PIECES: (samples.PIECES, (2, 2, 1))}


def keep(path: Path, *tiles: tuple[int, int, int]) -> None:
    """An MBTiles file. Rows are told from above, and stored from below."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)")
        database.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", [(z, x, 2**z - 1 - y, KEPT) for z, x, y in tiles])
    database.close()


@pytest.fixture
def kept(published, cluster, files: Path) -> Iterator[Path]:
    """The folder, while both datasets have kept tiles."""
    with cluster.connect() as admin:
        for of, tile in SETS.values():
            name = f"{of[4]}/{of[5]}/99-1.mbtiles"
            keep(files / name, (0, 0, 0), tile)
            admin.execute(
                "INSERT INTO serving.rasters (dataset_pk, build, raster_id, position, title, file, bytes, bbox, details, role)"
                " VALUES (%s, %s, '~tiles', 99, '', %s, %s, NULL, %s, 'tiles')",
                (of[4], of[5], name, (files / name).stat().st_size, json.dumps({"maxzoom": tile[0]})),
            )
        yield files
        for of, _ in SETS.values():
            admin.execute("DELETE FROM serving.rasters WHERE dataset_pk = %s AND role = 'tiles'", (of[4],))
            (files / f"{of[4]}/{of[5]}/99-1.mbtiles").unlink(missing_ok=True)


@pytest.mark.parametrize("base", SETS)
def test_a_kept_tile_answers_for_whoever_asks_for_no_other_look(service, kept, base):
    z, x, y = SETS[base][1]
    for tile in ("0/0/0", f"{z}/{x}/{y}"):
        for address in (f"{tile}.png", tile):
            answer = service.get(f"{base}/tiles/WebMercatorQuad/{address}")
            assert answer.content == KEPT and answer.headers["content-type"] == "image/png"
            assert answer.headers["etag"] and answer.headers["cache-control"] == "no-cache"
            assert service.get(f"{base}/tiles/WebMercatorQuad/{address}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        for address in (f"{tile}.png?rescale=0,9", f"{tile}.png?tilesize=512", f"{tile}.webp", f"{tile}.jpg"):
            answer = service.get(f"{base}/tiles/WebMercatorQuad/{address}")
            assert answer.status_code == 200 and answer.content != KEPT, address
    # Another tile set has other tiles.
    assert service.get(f"{base}/tiles/WorldCRS84Quad/0/0/0.png").content != KEPT


@pytest.mark.parametrize("base", SETS)
def test_what_is_not_kept_is_drawn(service, kept, base):
    z, x, y = SETS[base][1]
    # Beside the kept one, above its zooms, and where nothing lies.
    for tile, status in ((f"{z - 1}/{x // 2}/{y // 2}", 200), (f"{z + 1}/{2 * x}/{2 * y + 1}", 200), (f"{z}/0/0", 204)):
        answer = service.get(f"{base}/tiles/WebMercatorQuad/{tile}.png")
        assert answer.status_code == status and answer.content != KEPT, tile
    for tile in ("99/0/0", "0/5/0", "1/999999999/0"):
        assert service.get(f"{base}/tiles/WebMercatorQuad/{tile}.png").status_code == 404


@pytest.mark.parametrize("base", SETS)
def test_the_file_is_there_for_maps_without_a_server(service, kept, base):
    whole = service.get(f"{base}/tiles.mbtiles")
    assert whole.content.startswith(b"SQLite format 3\0") and whole.headers["content-type"] == "application/vnd.sqlite3"
    assert service.get(f"{base}/tiles.mbtiles", headers={"Range": "bytes=0-14"}).content == whole.content[:15]
    links = service.json(base + "/?f=json")["links"]
    assert any(link["href"].endswith("/tiles.mbtiles") for link in links)
    assert "tiles.mbtiles" in service.get(base + "/?f=html").text


@pytest.mark.parametrize("base", SETS)
def test_without_kept_tiles_there_is_no_file(service, base):
    assert service.get(f"{base}/tiles.mbtiles").status_code == 404
    assert "tiles.mbtiles" not in service.get(base + "/?f=html").text


@pytest.mark.parametrize("content", [b"", b"no database", None], ids=["empty", "broken", "gone"])
def test_a_file_that_cannot_be_read_costs_a_drawing(service, kept, content):
    path = kept / f"{samples.HILLS[4]}/{samples.HILLS[5]}/99-1.mbtiles"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    answer = service.get(f"{HILLS}/tiles/WebMercatorQuad/7/67/43.png")
    assert answer.status_code == 200 and answer.content != KEPT
    if content is None:
        assert service.get(f"{HILLS}/tiles.mbtiles").status_code == 404


def test_a_scene_list_has_no_tiles_in_it(service, kept):
    assert service.json(PIECES + "/info")["scenes"] == 4
    assert all("~" not in one["id"] for one in service.json(PIECES + "/scenes")["scenes"])
