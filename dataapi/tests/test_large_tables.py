"""A table of half a million features: tiles that a client can draw, pages that do not get slower."""

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mapbox_vector_tile
import morecantile
import psycopg
import pytest
import requests
import samples
from conftest import PUBLIC_URL, Service, end, eventually, launch

COUNT = 500_000
# Six degrees of parcels, 700 in a row.
LARGE = ("default", "large", "parcels", "v1", 900, 1)
GAPS = ("default", "large", "gaps", "v1", 901, 1)
BASE = "/api/data/large/parcels/v1/collections/parcels"
MOST_BYTES = 500_000

_TABLE = """
CREATE TABLE data.d900_b1_t0 (fid bigint PRIMARY KEY, geom geometry(MultiPolygon, 4326), name text, number integer);
INSERT INTO data.d900_b1_t0
SELECT i, ST_Multi(ST_MakeEnvelope(x, y, x + 0.006, y + 0.006, 4326)), 'parcel number ' || i, i % 1000
FROM (SELECT i, 5 + (i % 700) * 0.0085 AS x, 48 + (i / 700) * 0.0085 AS y FROM generate_series(1, %(count)s) i) at;
CREATE INDEX ON data.d900_b1_t0 USING gist (geom);
CREATE TABLE data.d901_b1_t0 (fid bigint PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO data.d901_b1_t0 SELECT i * 3, ST_SetSRID(ST_MakePoint(i %% 360 - 180, 0), 4326) FROM generate_series(1, 20000) i;
"""


@pytest.fixture(scope="module")
def large(cluster, published) -> Iterator[psycopg.Connection]:
    with cluster.connect() as admin:
        yield from _published(admin)


def _published(admin: psycopg.Connection) -> Iterator[psycopg.Connection]:
    admin.execute("SET ROLE terrane_server")
    admin.execute(_TABLE.replace("%(count)s", str(COUNT)).replace("%%", "%"))
    admin.execute("GRANT SELECT ON data.d900_b1_t0, data.d901_b1_t0 TO terrane_dataapi")
    admin.execute("RESET ROLE")
    admin.execute("VACUUM ANALYZE data.d900_b1_t0, data.d901_b1_t0")
    top = 48 + COUNT / 700 * 0.0085
    samples.route(admin, LARGE, [("parcels", "d900_b1_t0", "MultiPolygon", COUNT, [5.0, 48.0, 11.0, top])])
    samples.route(admin, GAPS, [("gaps", "d901_b1_t0", "Point", 20_000, [-180, 0, 180, 0])])
    yield admin
    samples.withdraw(admin, LARGE)
    samples.withdraw(admin, GAPS)
    admin.execute("DROP TABLE data.d900_b1_t0, data.d901_b1_t0")


@pytest.mark.parametrize("zoom", range(9))
def test_every_tile_is_small_and_none_is_empty_where_data_is(service, large, zoom):
    for tile in morecantile.tms.get("WebMercatorQuad").tiles(5.01, 48.01, 10.94, 54.06, [zoom]):
        response = service.get(f"{BASE}/tiles/WebMercatorQuad/{zoom}/{tile.x}/{tile.y}")
        assert response.status_code == 200, response.text
        assert len(response.content) <= MOST_BYTES
        layer = mapbox_vector_tile.decode(response.content)["default"]
        assert layer["features"] and layer["extent"] == 4096
        kinds = {feature["geometry"]["type"] for feature in layer["features"]}
        assert kinds <= {"Polygon", "MultiPolygon"}


def test_a_thinned_tile_covers_what_the_data_covers(service, large):
    """Zoom 5: 700 parcels a row lie in about a tile; each column of cells that the data reaches has a feature."""
    tile = next(morecantile.tms.get("WebMercatorQuad").tiles(8, 51, 8, 51, [6]))
    answer = service.get(f"{BASE}/tiles/WebMercatorQuad/6/{tile.x}/{tile.y}")
    features = mapbox_vector_tile.decode(answer.content)["default"]["features"]
    columns = {int(f["geometry"]["coordinates"][0][0][0]) // 256 for f in features if f["geometry"]["type"] == "Polygon"}
    bounds = morecantile.tms.get("WebMercatorQuad").bounds(tile)
    reached = [c for c in range(16) if 5 < bounds.left + (c + 0.5) / 16 * (bounds.right - bounds.left) < 10.9]
    assert set(reached) <= columns
    assert all(f["properties"]["name"].startswith("parcel number") for f in features)


def test_a_thinned_tile_is_the_same_every_time(service, large):
    first, second = (service.get(f"{BASE}/tiles/WebMercatorQuad/4/8/5").content for _ in range(2))
    assert first == second and first


def test_a_filter_holds_for_thinned_tiles(service, large):
    answer = service.get(f"{BASE}/tiles/WebMercatorQuad/5/16/10?filter=number<500&filter-lang=cql2-text")
    features = mapbox_vector_tile.decode(answer.content)["default"]["features"]
    assert features and all(f["properties"]["number"] < 500 for f in features)


def test_a_deep_page_holds_what_an_offset_means(service, large):
    for offset in (0, 1, 9_999, 10_000, 250_000, COUNT - 3):
        page = service.get(f"{BASE}/items?limit=5&offset={offset}").json()
        assert [f["id"] for f in page["features"]] == list(range(offset + 1, min(offset + 6, COUNT + 1)))
        assert page["numberMatched"] == COUNT
        assert any(link["rel"] == "next" for link in page["links"]) == (offset + 5 < COUNT)
    assert service.get(f"{BASE}/items?offset={COUNT}").json()["features"] == []


@pytest.fixture
def alone(cluster, large, tmp_path) -> Iterator[Service]:
    """A service that nobody has asked anything yet: what its sessions read is what the test asks for."""
    running = launch(cluster, tmp_path / "log", "--public-url", PUBLIC_URL)
    yield running
    assert end(running) == 0


def test_a_deep_page_reads_no_row_before_it(alone, large):
    """Told by PostgreSQL's own count of rows fetched."""
    alone.get(f"{BASE}/items?limit=10&offset=1")
    assert read_by(large, lambda: alone.get(f"{BASE}/items?limit=10&offset=400000"), 10_000) < 10_000


def fetched(admin: psycopg.Connection) -> int:
    """Rows that were read of the large table, by PostgreSQL's own count."""
    admin.execute("SELECT pg_stat_force_next_flush()")
    sql = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'd900_b1_t0'"
    return admin.execute(sql).fetchone()[0]


def settled(admin: psycopg.Connection) -> int:
    """The same once sessions have told what they did: they do so when they are idle."""
    count, again = -1, fetched(admin)
    while count != again:
        # PostgreSQL tells its counts at most once a second; there is no event to wait for.
        time.sleep(1.2)
        count, again = again, fetched(admin)
    return count


def read_by(admin: psycopg.Connection, ask: Callable[[], object], enough: int) -> int:
    """Rows that `ask` reads of the large table. Other sessions tell late what they did before, so the least of three runs."""
    least = sys.maxsize
    for _ in range(3):
        before = settled(admin)
        ask()
        least = min(least, settled(admin) - before)
        if least < enough:
            break
    return least


def test_pages_under_a_filter_are_whole_and_read_no_row_twice(alone, large):
    """From `next` to `next` the table is read about once, not once a page; nor is what matches counted again."""
    first = f"{BASE}/items?limit=100&filter=number IN (3,4) AND fid > 100000"
    alone.get(first)
    seen: list[int] = []

    def follow() -> None:
        path, pages = first, 0
        seen.clear()
        while path:
            page = alone.get(path).json()
            pages += 1
            seen.extend(feature["id"] for feature in page["features"])
            assert page["numberMatched"] == 800
            links = [link["href"] for link in page["links"] if link["rel"] == "next"]
            path = links[0].partition("/geo")[2] if links else None
        assert pages == 8

    assert read_by(large, follow, COUNT) < 1.5 * COUNT
    assert seen == [fid for fid in range(100_001, COUNT + 1) if fid % 1000 in (3, 4)]
    # A page that nobody came to by `next` is the same.
    jump = alone.get(f"{BASE}/items?limit=3&offset=550&filter=number IN (3,4) AND fid > 100000").json()
    assert [feature["id"] for feature in jump["features"]] == seen[550:553]


def test_pages_of_keys_with_gaps_are_whole(service, large):
    url, seen = "/api/data/large/gaps/v1/collections/gaps/items?limit=3000", []
    for _ in range(10):
        page = service.get(url).json()
        seen += [feature["id"] for feature in page["features"]]
        follow = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not follow:
            break
        url = follow[0].partition("/geo")[2]
    assert seen == [n * 3 for n in range(1, 20_001)]


def sessions(admin: psycopg.Connection) -> list[tuple]:
    sql = "SELECT state, left(query, 4) FROM pg_stat_activity WHERE application_name = 'terrane dataapi files'"
    return [row for row in admin.execute(sql).fetchall() if row == ("active", "COPY")]


def resident_kib(pid: int) -> int:
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line)


def test_a_large_file_passes_through_a_little_memory(cluster, large, tmp_path):
    running = launch(cluster, tmp_path / "log")
    running.get(f"{BASE}/items?limit=1")
    before = resident_kib(running.process.pid)
    with requests.get(f"{running.url}{BASE}/download.geojsonl", stream=True, timeout=30) as answer:
        lines = sum(piece.count(b"\n") for piece in answer.iter_content(1 << 20))
    assert lines == COUNT
    assert resident_kib(running.process.pid) - before < 32 << 10
    assert end(running) == 0


@contextlib.contextmanager
def taking_its_time(service, path: str) -> Iterator[socket.socket]:
    """A client that has read the first bytes, and has little room for more."""
    host, port = service.address.split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        client.settimeout(30)
        client.connect((host, int(port)))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {service.address}\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(1 << 10).startswith(b"HTTP/1.1 200")
        yield client


def test_a_client_that_leaves_ends_its_statement(service, large):
    with taking_its_time(service, f"{BASE}/download.csv"):
        eventually(lambda: sessions(large))
    eventually(lambda: not sessions(large))


def test_files_wait_for_each_other_and_nobody_waits_for_files(service, large):
    """Two are sent at once; a third is told to come again, and pages and tiles are answered all the while."""
    with taking_its_time(service, f"{BASE}/download.csv"), taking_its_time(service, f"{BASE}/download.geojson"):
        refused = service.get(f"{BASE}/download.csv")
        assert refused.status_code == 503 and refused.json()["reason"] == "DATABASE_BUSY" and refused.headers["retry-after"]
        assert service.json(f"{BASE}/items?limit=1")["numberMatched"] == COUNT
        assert len(sessions(large)) == 2
    eventually(lambda: not sessions(large))


def test_a_file_that_breaks_off_is_not_taken_for_a_whole_one(service, large):
    """PostgreSQL ends the statement in the middle."""
    with taking_its_time(service, f"{BASE}/download.csv") as client:
        large.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'terrane dataapi files'")
        body = b""
        while piece := client.recv(1 << 20):
            body += piece
        eventually(lambda: "download broke off" in service.log.read_text())
        assert len(body) > 1 << 10 and not body.endswith(b"0\r\n\r\n"), "the last, empty piece is missing"
    assert service.get(f"{BASE}/items?limit=1").status_code == 200
