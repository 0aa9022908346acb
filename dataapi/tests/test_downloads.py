"""A whole collection as one file: what it holds is what the pages hold, and what others read from it."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator

import psycopg
import pytest
import samples

PLACES = "/api/data/places/cities/v1.0/collections/cities"
MIXED = "/api/data/@survey-2/field.work/site_A/2025-01/collections"
ODD = ("default", "odd", "values", "v1", 910, 1)
ODD_BASE = "/api/data/odd/values/v1/collections"

_ODD = r'''
CREATE TABLE data.d910_b1_t0 (
  fid bigint PRIMARY KEY, geom geometry(MultiPoint, 4326), "text, ""quoted""" text, empty text, small real, large double precision,
  exact numeric, note json, more jsonb, at timestamp, clock time, id uuid, numbers double precision[], raw bytea, flag boolean);
INSERT INTO data.d910_b1_t0 VALUES
  (1, ST_Multi(ST_SetSRID(ST_MakePoint(0.1, 1e-7), 4326)), E'two\nlines, a "quote", a tab\t and \\. \\n', '', 0.1, 1e300, 12345678901234.5,
    E'{"b": [1,\n 2],\r\n "a": "x\\ny"}', '{"z": null}', '2024-02-29 12:00:00.5', '23:59:59', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    '{1,2.5,NULL}', '\x00ff0a', true),
  (9007199254740993, NULL, '\.', NULL, 'NaN', '-Infinity', 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, ST_SetSRID('MULTIPOINT(179.99999999999997 -89.123456789012345, 1 2)'::geometry, 4326), chr(1) || chr(2) || '<é>', ' ', -1.5e-7,
    0.1, -7, '"text"', '[]', '1899-12-31 00:00', '00:00:00.000001', NULL, '{}', '', false);
CREATE TABLE data.d910_b1_t1 (fid bigint PRIMARY KEY, note text);
'''


@pytest.fixture(scope="module")
def odd(cluster, published) -> Iterator[psycopg.Connection]:
    with cluster.connect() as admin:
        admin.execute("SET ROLE terrane_server")
        admin.execute(_ODD)
        admin.execute("GRANT SELECT ON data.d910_b1_t0, data.d910_b1_t1 TO terrane_dataapi")
        admin.execute("RESET ROLE")
        collections = [("odd ones", "d910_b1_t0", "MultiPoint", 3, [0, -90, 180, 2]), ("empty", "d910_b1_t1", None, 0, None)]
        samples.route(admin, ODD, collections)
        yield admin
        samples.withdraw(admin, ODD)
        admin.execute("DROP TABLE data.d910_b1_t0, data.d910_b1_t1")


def all_items(service, collection: str, count: int) -> list[dict]:
    return service.json(f"{collection}/items?limit=10000&sortby=fid")["features"][:count]


def same(a, b) -> bool:
    """Numbers within a float4's reach, geometry to the digits that pages have."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return abs(a - b) <= max(1e-9, 1e-6 * abs(a))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b or (isinstance(a, str) and isinstance(b, str) and a.rstrip("0") == b.rstrip("0"))


@pytest.mark.parametrize(
    ("collection", "count"),
    [(PLACES, 1200), (f"{MIXED}/zones", 30), (f"{MIXED}/tracks", 40), (f"{MIXED}/notes", 5), (f"{ODD_BASE}/odd%20ones", 3),
     (f"{ODD_BASE}/empty", 0)],
)  # fmt: skip
def test_a_file_holds_what_the_pages_hold(service, odd, collection, count):
    expected = all_items(service, collection, count)
    answer = service.get(f"{collection}/download.geojson")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/geo+json"
    whole = answer.json()
    assert whole["type"] == "FeatureCollection" and len(whole["features"]) == count == len(expected)
    for found, page in zip(whole["features"], expected, strict=True):
        assert found["type"] == "Feature" and found["id"] == page["id"]
        assert same(found["geometry"], page["geometry"]), (found["geometry"], page["geometry"])
        assert same(found["properties"], page["properties"]), (found["properties"], page["properties"])
    lines = service.get(f"{collection}/download.geojsonl")
    assert lines.headers["content-type"] == "application/geo+json-seq"
    assert [json.loads(line) for line in lines.content.splitlines()] == whole["features"]
    rows = list(csv.DictReader(io.StringIO(service.get(f"{collection}/download.csv").content.decode(), newline="")))
    assert [int(row["fid"]) for row in rows] == [feature["id"] for feature in whole["features"]]


def test_odd_values_are_kept(service, odd):
    first, third, second = service.json(f"{ODD_BASE}/odd%20ones/download.geojson")["features"]
    assert first["properties"]['text, "quoted"'] == 'two\nlines, a "quote", a tab\t and \\. \\n'
    assert first["properties"]["note"] == {"b": [1, 2], "a": "x\ny"}
    assert first["geometry"]["coordinates"] == [[0.1, 1e-7]]
    assert third["geometry"]["coordinates"][0] == [179.99999999999997, -89.12345678901235]
    assert second["id"] == 2**53 + 1 and second["geometry"] is None
    assert {second["properties"][name] for name in ("small", "large", "exact")} == {None}
    rows = list(csv.DictReader(io.StringIO(service.get(f"{ODD_BASE}/odd%20ones/download.csv").content.decode(), newline="")))
    assert rows[0]['text, "quoted"'] == 'two\nlines, a "quote", a tab\t and \\. \\n'
    assert rows[0]["flag"] == "true" and rows[0]["numbers"] == "[1,2.5,null]" and rows[0]["raw"] == "00ff0a"
    assert rows[0]["at"] == "2024-02-29T12:00:00.5" and rows[0]["WKT"] == "MULTIPOINT((0.1 0.0000001))"
    assert rows[2]["large"] == "-Infinity" and rows[2]["WKT"] == ""


@pytest.mark.parametrize("form", ["geojson", "geojsonl", "csv"])
def test_gdal_reads_each_form(service, tmp_path, form):
    path = tmp_path / f"places.{form}"
    path.write_bytes(service.get(f"{PLACES}/download.{form}").content)
    done = subprocess.run(["ogrinfo", "-ro", "-al", "-so", str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "Feature Count: 1200" in done.stdout and "Geometry: " in done.stdout
    assert "Extent: (-1" in done.stdout


def test_files_are_named_and_linked(service):
    answer = service.get(f"{PLACES}/download.csv")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''places-cities-v1.0-cities.csv"
    links = [link for link in service.json(PLACES)["links"] if link["rel"] == "enclosure"]
    assert [link["href"].rpartition("/")[2] for link in links] == ["download.geojson", "download.geojsonl", "download.csv"]
    listed = service.json(f"{PLACES.rpartition('/')[0]}")["collections"][0]["links"]
    assert [link for link in listed if link["rel"] == "enclosure"] == links
    page = service.get(f"{PLACES.rpartition('/collections')[0]}/", headers={"Accept": "text/html"}).text
    assert "download.geojson" in page and "download.csv" in page


def test_a_file_that_a_client_has_is_not_sent_again(service):
    tag = service.get(f"{PLACES}/download.csv").headers["etag"]
    again = service.get(f"{PLACES}/download.csv", headers={"If-None-Match": tag})
    assert again.status_code == 304 and not again.content


def test_what_cannot_be_had_is_refused(service):
    assert service.get(f"{PLACES}/download.shp").status_code == 400
    assert service.get(f"{PLACES.replace('cities/v1', 'towns/v1')}/download.csv").status_code == 404
    assert service.get(f"{PLACES[:-1]}/download.csv").json()["reason"] == "COLLECTION_NOT_FOUND"
