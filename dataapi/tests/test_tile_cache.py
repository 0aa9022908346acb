"""Tiles that were drawn beforehand: which requests they answer, and which are drawn."""

import base64
import html
import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import samples

sys.path.insert(0, str(Path(__file__).parents[2] / "Tests/EndToEnd"))
from support import browser  # noqa: E402

HILLS, PIECES = "/api/data/hills/heights/v1", "/api/data/pieces/picture/v1"
# One pixel, which nothing here would draw: a kept tile is known by it.
KEPT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z1APAAOAAX/3LUscAAAAAElFTkSuQmCC"
)
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
        for address in (f"{tile}.png", tile, f"{tile}.png?", f"{tile}.png?tilesize=256"):
            answer = service.get(f"{base}/tiles/WebMercatorQuad/{address}")
            assert answer.content == KEPT and answer.headers["content-type"] == "image/png"
            assert answer.headers["etag"] and answer.headers["cache-control"] == "no-cache"
            assert service.get(f"{base}/tiles/WebMercatorQuad/{address}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        for ending in (".png?rescale=0,9", ".png?tilesize=512", ".webp", ".jpg", ".png?tilesize=256&bidx=1"):
            address = tile + ending
            drawn = service.get(f"{base}/tiles/WebMercatorQuad/{address}")
            assert drawn.status_code == 200 and drawn.content != KEPT, address
            # Whoever cannot tell the one from the other by its look cannot by its headers.
            assert set(drawn.headers) == set(answer.headers)
            for name in ("content-bbox", "content-crs"):
                assert drawn.headers[name] == answer.headers[name], name
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


def tile_json(service, base: str, query: str = "", tile_set: str = "WebMercatorQuad") -> tuple[str, int, int]:
    """Of TileJSON: its tiles below the tile set, their side and the lowest zoom."""
    told = service.json(f"{base}/{tile_set}/tilejson.json{query}")
    return told["tiles"][0].partition(f"/tiles/{tile_set}/")[2], told["tileSize"], told["minzoom"]


@pytest.mark.parametrize("base", SETS)
def test_tilejson_leads_to_the_kept_tiles(service, kept, base):
    for query, ending in (("", ""), ("?tile_format=png", ".png"), ("?maxzoom=5", "")):
        assert tile_json(service, base, query) == ("{z}/{x}/{y}" + ending, 256, 0)
    assert tile_json(service, base, "?minzoom=1")[2] == 1
    # In other words, or of another tile set: these are not kept.
    for query in ("?bidx=1", "?tilesize=512", "?tile_format=webp"):
        address, size, _ = tile_json(service, base, query)
        assert "tilesize=512" in address and size == 512, query
    assert tile_json(service, base, tile_set="WorldCRS84Quad")[1] == 512


@pytest.mark.parametrize("base", SETS)
def test_without_kept_tiles_tilejson_leads_to_larger_ones(service, base):
    assert tile_json(service, base)[:2] == ("{z}/{x}/{y}?tilesize=512", 512)
    assert tile_json(service, base, "?tilesize=256")[:2] == ("{z}/{x}/{y}?tilesize=256", 256)


def map_of(service, base: str) -> dict:
    """What the page's map is told of the raster."""
    page = service.get(base + "/?f=html").text
    return json.loads(html.unescape(re.search('data-map="(.*?)"', page)[1]))["rasters"][0]


@pytest.mark.parametrize("base", SETS)
def test_the_pages_map_asks_for_kept_tiles(service, kept, base):
    told = map_of(service, base)
    assert told["tiles"].endswith("/{z}/{x}/{y}.png") and told["tileSize"] == 256


@pytest.mark.parametrize("base", SETS)
def test_without_kept_tiles_the_pages_map_asks_for_larger_ones(service, base):
    told = map_of(service, base)
    assert told["tiles"].endswith("/{z}/{x}/{y}.png?tilesize=512") and told["tileSize"] == 512


@pytest.mark.parametrize("base", SETS)
def test_a_browser_asks_for_kept_tiles_at_their_size(local, kept, base, tmp_path):
    with browser.chromium(tmp_path / "net.json") as chromium, browser.visit(chromium) as go:
        visit = go(f"{local.url}{base}/")
        source = visit.wait_for_map().page.evaluate(
            """() => {
                const map = document.querySelector("[data-map]").map, raster = map.getStyle().layers.find((one) => one.type === "raster");
                return [map.getZoom(), map.getSource(raster.source).tileSize];
            }"""
        )
        asked = [url.partition("/WebMercatorQuad/")[2] for url in visit.requests if "/tiles/" in url]
        assert source[1] == 256 and asked and all(re.fullmatch(r"\d+/\d+/\d+\.png", one) for one in asked), asked
        # Half as large as those that the map counts zooms by: one zoom deeper.
        assert max(int(one.partition("/")[0]) for one in asked) == round(source[0]) + 1
