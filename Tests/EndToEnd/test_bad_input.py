"""What bad input gets: a stable reason, whether the caller can mend it and how; nothing published, nothing left."""

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import AS_ROOT, big_count
from support import samples
from support.server import Answer, Server
from support.waiting import until


def assert_nothing_left(server: Server, name: str) -> None:
    """No route, no item, no table, no staging schema; the ledger's rows of it are GONE."""
    record = server.record(name)
    assert record["state"] == "draft" and "result" not in record
    dataset, resource, version = name.split("/")
    assert server.get(f"/api/data/{name}").status_code == 404
    assert server.get(f"/stac/collections/default:{dataset}:{resource}/items/{version}").status_code == 404
    left = (
        "SELECT l.* FROM coremachine.ledger l JOIN datasets.datasets d ON d.pk = l.subject"
        " WHERE d.key = %s AND l.state <> 'GONE'"
    )
    until(lambda: not server.rows(left, bytes.fromhex(record["dataset_key"])), "its ledger rows are GONE", 30, every=0.2)


def assert_failed(server: Server, name: str, answer: Answer, reason: str, *said: str) -> dict:
    """The dataset came to be and failed, for a reason the caller can mend; all that was said names the words."""
    assert answer.code == 1, answer
    problem = answer.problem
    assert problem["reason"] == reason, problem
    assert problem["user_fixable"] and problem["remedy"] and problem["message"]
    for word in said:
        assert word in str(problem), problem
    record = server.record(name)
    assert record["status"] == "failed" and record["operation"]["state"] == "failed"
    assert record["problem"]["reason"] == record["operation"]["problem"]["reason"] == reason
    assert_nothing_left(server, name)
    return problem


def assert_refused(server: Server, name: str | None, answer: Answer, reason: str, *said: str) -> dict:
    """The call was refused; no dataset came to be."""
    assert answer.code == 2, answer
    problem = answer.problem
    assert problem["reason"] == reason, problem
    assert problem["user_fixable"] and problem["remedy"] and problem["message"]
    for word in said:
        assert word in str(problem) + answer.err, answer
    if name:
        assert server.cli("get", name).code == 4
    return problem


# Refused before there is a dataset


def test_a_missing_file_is_said_at_once_by_the_command_line(server: Server, sources: Path, name: str):
    answer = server.create(name, sources / "nowhere.gpkg")
    assert_refused(server, name, answer, "SOURCE_NOT_FOUND", str(sources / "nowhere.gpkg"))


def test_a_path_outside_the_roots_is_refused_with_the_roots_and_the_flag(server: Server, place: Path, name: str):
    outside = samples.geojson(place / "outside.geojson", samples.places())
    answer = server.create(name, outside)
    assert_refused(server, name, answer, "SOURCE_OUTSIDE_ROOTS", str(server.roots[0]), "make serve ROOT=")


def test_a_path_that_climbs_out_of_the_roots_is_refused(server: Server, sources: Path, name: str):
    answer = server.create(name, f"file://{sources}/../outside.geojson")
    assert_refused(server, name, answer, "SOURCE_OUTSIDE_ROOTS")


@pytest.mark.parametrize("url", ["https://example.org/a.gpkg", "s3://bucket/a.gpkg", "postgresql://h/d", "ftp://h/a.zip"])
def test_a_scheme_that_is_not_supported_is_refused(server: Server, name: str, url: str):
    assert_refused(server, name, server.create(name, url), "SOURCE_SCHEME_UNSUPPORTED", url.split(":")[0])


@pytest.mark.parametrize("bad", ["a b/r/v", "é/r/v", ".hidden/r/v", "a/r$/v", "a/r/-v", "a" * 256 + "/r/v", "a/r/" + "v" * 51])
def test_ids_outside_the_charset_are_refused(server: Server, sources: Path, bad: str):
    problem = assert_refused(server, None, server.create(bad, sources / "world.gpkg"), "INVALID_ID")
    assert "_id" in problem.get("location", {}).get("field", ""), problem


def test_reserved_versions_are_refused(server: Server, sources: Path):
    assert_refused(server, None, server.create("e2e/reserved/latest", sources / "world.gpkg"), "RESERVED_VERSION")


def test_a_namespace_outside_the_charset_is_refused(server: Server, sources: Path):
    answer = server.create("e2e/r/v", sources / "world.gpkg", "--namespace", "Not_One")
    assert_refused(server, None, answer, "INVALID_ID")


# Datasets that fail


@dataclass
class Bad:
    reason: str
    source: Path
    options: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def unknown_format(folder: Path, sources: Path) -> Bad:
    path = folder / "notes.txt"
    path.write_text("This is no geodata.\n" * 50)
    return Bad("FORMAT_UNSUPPORTED", path)


def noise(folder: Path, sources: Path) -> Bad:
    path = folder / "noise.bin"
    path.write_bytes(bytes(range(7, 256)) * 64)
    return Bad("FORMAT_UNSUPPORTED", path)


def empty_file(folder: Path, sources: Path) -> Bad:
    path = folder / "empty.gpkg"
    path.touch()
    return Bad("SOURCE_EMPTY", path)


def zero_features(folder: Path, sources: Path) -> Bad:
    return Bad("NO_FEATURES", samples.geojson(folder / "none.geojson", {"type": "FeatureCollection", "features": []}))


def layer_without_features(folder: Path, sources: Path) -> Bad:
    path = folder / "none.gpkg"
    samples.ogr2ogr("-f", "GPKG", "-where", "name_long = 'Atlantis'", path, sources / "world.gpkg")
    return Bad("NO_FEATURES", path, said=("world",))


def cut_geojson(folder: Path, sources: Path) -> Bad:
    path = samples.geojson(folder / "cut.geojson", samples.places(2000))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)
    return Bad("SOURCE_TRUNCATED|SOURCE_CORRUPT", path)


def truncated_shp(folder: Path, sources: Path) -> Bad:
    path = samples.shapefile(folder / "s", sources / "world.gpkg", "world")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    return Bad("SOURCE_TRUNCATED", path)


def truncated_shp_in_a_zip(folder: Path, sources: Path) -> Bad:
    archive = samples.zipped(folder / "world.zip", truncated_shp(folder, sources).source)
    return Bad("SOURCE_TRUNCATED", archive)


def shapefile_without_prj(folder: Path, sources: Path) -> Bad:
    path = samples.shapefile(folder / "s", sources / "world.gpkg", "world", without=("prj",))
    return Bad("CRS_MISSING", path, said=("--crs",))


def shapefile_without_dbf(folder: Path, sources: Path) -> Bad:
    path = samples.shapefile(folder / "s", sources / "world.gpkg", "world", without=("dbf",))
    return Bad("SOURCE_INCOMPLETE", path, said=(".dbf",))


def corrupt_geopackage_header(folder: Path, sources: Path) -> Bad:
    path = folder / "world.gpkg"
    content = bytearray((sources / "world.gpkg").read_bytes())
    content[100:4096] = b"\xa5" * (4096 - 100)
    path.write_bytes(content)
    return Bad("SOURCE_CORRUPT", path)


def corrupt_geopackage_pages(folder: Path, sources: Path) -> Bad:
    path = folder / "world.gpkg"
    content = bytearray((sources / "world.gpkg").read_bytes())
    page = struct.unpack(">H", content[16:18])[0]
    for number in range(len(content) // page // 2, len(content) // page):
        content[number * page : (number + 1) * page] = b"\xa5" * page
    path.write_bytes(content)
    return Bad("SOURCE_CORRUPT|READ_ERROR", path)


def truncated_geopackage(folder: Path, sources: Path) -> Bad:
    path = folder / "world.gpkg"
    path.write_bytes((sources / "world.gpkg").read_bytes()[:100_000])
    return Bad("SOURCE_TRUNCATED|SOURCE_CORRUPT", path)


def vrt(folder: Path, sources: Path) -> Bad:
    path = folder / "elsewhere.vrt"
    path.write_text(
        f'<OGRVRTDataSource><OGRVRTLayer name="world"><SrcDataSource>{sources}/world.gpkg</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    return Bad("FORMAT_REFUSED", path)


def vrt_under_another_name(folder: Path, sources: Path) -> Bad:
    path = folder / "innocent.geojson"
    vrt(folder, sources).source.rename(path)
    return Bad("FORMAT_REFUSED|SOURCE_CORRUPT|FORMAT_UNSUPPORTED", path)


def unknown_layer(folder: Path, sources: Path) -> Bad:
    return Bad("LAYER_NOT_FOUND", sources / "world.gpkg", ("--layer", "moon"), ("moon", "world"))


def another_kind_than_declared(folder: Path, sources: Path) -> Bad:
    path = folder / "lies.gpkg"
    samples.ogr2ogr("-f", "GPKG", "-nlt", "MULTIPOLYGON", path, samples.geojson(folder / "p.geojson", samples.places(4)))
    samples.readable(path)
    return Bad("MIXED_GEOMETRY", path)


def unknown_crs(folder: Path, sources: Path) -> Bad:
    return Bad("CRS_INVALID", shapefile_without_prj(folder, sources).source, ("--crs", "EPSG:999999"))


def crs_conflict(folder: Path, sources: Path) -> Bad:
    return Bad("CRS_CONFLICT", sources / "world.gpkg", ("--crs", "EPSG:3857"))


def csv_without_coordinates(folder: Path, sources: Path) -> Bad:
    path = folder / "table.csv"
    path.write_text("number,word\n" + "".join(f"{n},w{n}\n" for n in range(20)))
    return Bad("NO_GEOMETRY", path)


def csv_with_a_bad_coordinate(folder: Path, sources: Path) -> Bad:
    path = folder / "table.csv"
    path.write_text("lon,lat,n\n1,2,0\n3,north,1\n5,6,2\n")
    return Bad("COORDINATES_INVALID", path, ("--lon", "lon", "--lat", "lat"))


def link_out_of_the_roots(folder: Path, sources: Path) -> Bad:
    outside = samples.geojson(sources.parent / "outside.geojson", samples.places())
    (folder / "link.geojson").symlink_to(outside)
    return Bad("SOURCE_OUTSIDE_ROOTS", folder / "link.geojson")


def a_folder(folder: Path, sources: Path) -> Bad:
    (folder / "inner").mkdir()
    return Bad("FORMAT_UNSUPPORTED|SOURCE_INVALID|SOURCE_NOT_FOUND", folder / "inner")


def cut_in_the_middle(folder: Path, sources: Path, driver: str, file: str) -> Path:
    path = folder / file
    samples.ogr2ogr("-f", driver, path, sources / "world.gpkg")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def cut_text_sequence(folder: Path, sources: Path) -> Bad:
    return Bad("SOURCE_TRUNCATED", cut_in_the_middle(folder, sources, "GeoJSONSeq", "world.geojsonl"), said=("record",))


def cut_flatgeobuf(folder: Path, sources: Path) -> Bad:
    return Bad("SOURCE_TRUNCATED", cut_in_the_middle(folder, sources, "FlatGeobuf", "world.fgb"), said=("feature",))


def cut_kml(folder: Path, sources: Path) -> Bad:
    return Bad("SOURCE_TRUNCATED", cut_in_the_middle(folder, sources, "LIBKML", "world.kml"))


def kml_with_external_entities(folder: Path, sources: Path) -> Bad:
    path = folder / "entity.kml"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>&secret;</name>'
        "<Point><coordinates>1,2</coordinates></Point></Placemark></kml>"
    )
    return Bad("FORMAT_REFUSED", path)


def half_a_geodatabase(folder: Path, sources: Path) -> Bad:
    samples.ogr2ogr("-f", "OpenFileGDB", folder / "world.gdb", sources / "world.gpkg")
    (folder / "world.gdb/a00000001.gdbtable").unlink()
    return Bad("SOURCE_INCOMPLETE", Path(shutil.make_archive(str(folder / "world.gdb"), "zip", folder, "world.gdb")))


def an_empty_zip(folder: Path, sources: Path) -> Bad:
    path = folder / "empty.zip"
    path.write_bytes(b"PK\5\6" + bytes(18))
    return Bad("ARCHIVE_AMBIGUOUS|ARCHIVE_REFUSED|FORMAT_UNSUPPORTED|SOURCE_EMPTY", path)


BAD = [
    unknown_format, noise, empty_file, zero_features, layer_without_features, cut_geojson, truncated_shp,
    truncated_shp_in_a_zip, shapefile_without_prj, shapefile_without_dbf, corrupt_geopackage_header,
    corrupt_geopackage_pages, truncated_geopackage, vrt, vrt_under_another_name, unknown_layer,
    another_kind_than_declared, unknown_crs, crs_conflict, csv_without_coordinates, csv_with_a_bad_coordinate,
    link_out_of_the_roots, a_folder, an_empty_zip, cut_text_sequence, cut_flatgeobuf, cut_kml, kml_with_external_entities,
    half_a_geodatabase,
]  # fmt: skip


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_dataset_fails_with_its_reason_from(make, server: Server, sources: Path, folder: Path, name: str):
    bad = make(folder, sources)
    samples.readable(*folder.rglob("*"))
    answer = server.create(name, bad.source, *bad.options)
    reason = answer.problem["reason"] if answer.lines and answer.problem else None
    if "|" in bad.reason:
        assert reason in bad.reason.split("|"), answer
        bad.reason = reason
    assert_failed(server, name, answer, bad.reason, *bad.said)


@pytest.mark.skipif(not AS_ROOT, reason="the server's user is this one, which owns the file")
def test_an_unreadable_file_names_the_user_that_cannot_read_it(server: Server, folder: Path, name: str):
    path = samples.geojson(folder / "secret.geojson", samples.places())
    path.chmod(0o600)
    assert_failed(server, name, server.create(name, path), "SOURCE_UNREADABLE", "terrane")


@pytest.mark.skipif(not AS_ROOT, reason="the server's user is this one, which owns the folder")
def test_a_file_in_an_unreadable_folder_names_the_user_too(server: Server, folder: Path, name: str):
    path = samples.geojson(folder / "places.geojson", samples.places())
    folder.chmod(0o700)
    assert_failed(server, name, server.create(name, path), "SOURCE_UNREADABLE", "terrane")


def test_a_file_that_vanished_before_the_probe_fails(server: Server, sources: Path, name: str):
    # As a client on another machine asks: the command line cannot look first.
    answer = server.create(name, f"file://{sources}/gone.gpkg")
    assert answer.problem["reason"] == "SOURCE_NOT_FOUND"


def test_nothing_is_left_of_all_that_failed(server: Server):
    server.wait_until_clean()
    assert server.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'staging%'") == []
    assert list((server.data / "scratch").iterdir()) == []


# Mended


def test_a_missing_crs_is_mended_by_the_same_create_with_one(server: Server, sources: Path, folder: Path, name: str):
    path = samples.shapefile(folder / "s", sources / "world.gpkg", "world", without=("prj",))
    answer = server.create(name, path)
    assert (answer.code, answer.problem["reason"]) == (1, "CRS_MISSING")
    first = server.record(name)
    record = server.ready(name, path, "--crs", "EPSG:4326")
    assert record["generation"] == first["generation"] and record["operation"]["id"] != first["operation"]["id"]
    assert record["spec"]["vector"]["crs"] == "EPSG:4326"
    assert record["result"]["feature_count"] == 177 and record["result"]["treatment"]["source_crs"] == "EPSG:4326"
    assert "CRS_FROM_REQUEST" in {warning["reason"] for warning in record["warnings"]}
    server.wait_until_clean()


def test_a_failed_dataset_is_retried_once_its_source_is_mended(server: Server, sources: Path, folder: Path, name: str):
    path = folder / "world.gpkg"
    path.touch()
    samples.readable(path)
    assert server.create(name, path).problem["reason"] == "SOURCE_EMPTY"
    shutil.copy(sources / "world.gpkg", path)
    samples.readable(path)
    assert server.cli("retry", name, "--watch").code == 0
    record = server.record(name)
    assert record["status"] == "ready" and "retry_of" in record["operation"]


def test_the_same_create_of_a_failed_dataset_answers_the_record(server: Server, folder: Path, name: str):
    path = folder / "empty.gpkg"
    path.touch()
    samples.readable(path)
    server.create(name, path)
    before = server.record(name)
    again = server.create(name, path)
    assert again.code == 1 and again.lines[0]["created"] is False
    assert server.record(name)["operation"]["id"] == before["operation"]["id"]


@pytest.mark.parametrize("how", ["replaced", "cut", "written over", "removed"])
def test_a_file_that_changes_while_it_is_read(server: Server, folder: Path, big: Path, name: str, how: str):
    """Whatever the reader made of it, it is told as what it is, and a retry takes the file as it is then."""
    source = folder / "places.gpkg"
    shutil.copy(big, source)
    samples.readable(source)
    watcher = server.begin(name, source)
    watcher.wait_for_loading()
    if how == "replaced":
        other = samples.many_points(folder / "other.gpkg", 1_000)
        other.replace(source)
    elif how == "cut":
        with source.open("r+b") as file:
            file.truncate(source.stat().st_size // 2)
    elif how == "written over":
        with source.open("r+b") as file:
            file.seek(source.stat().st_size // 2)
            file.write(b"\xff" * (1 << 20))
    else:
        source.unlink()
    assert watcher.end() == 1
    problem = server.record(name)["problem"]
    assert problem["reason"] == ("SOURCE_NOT_FOUND" if how == "removed" else "SOURCE_CHANGED"), problem
    assert problem["user_fixable"] and problem["remedy"]
    assert_nothing_left(server, name)
    shutil.copy(big, source)
    samples.readable(source)
    assert server.cli("retry", name, "--watch").code == 0
    assert server.record(name)["result"]["feature_count"] == big_count()
