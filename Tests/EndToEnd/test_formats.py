"""Each format becomes a dataset that is served whole, to the clients people use."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from support import clients, features, samples
from support.server import Server


def assert_served(server: Server, record: dict, source: str, *options: str, reshaped: bool = False) -> None:
    """Every feature and attribute of the source, through GDAL, both forms of the URL, nothing on its standard error."""
    result = record["result"]
    [collection] = result["collections"]
    dropped = sum(w["count"] for w in record["warnings"] if w["reason"] in features.DROPPING)
    items = server.get(collection["items_url"], params={"limit": 1}).json()
    assert items["numberMatched"] + dropped == features.counted_by_ogrinfo(source)
    assert items["numberMatched"] == collection["feature_count"] == result["feature_count"]
    original = features.read(source, "-t_srs", "EPSG:4326", *options)
    for endpoint in (result["endpoint"], result["endpoint"] + "/"):
        served = features.read_served(endpoint, collection["id"])
        assert served.errors == ""
        assert len(served.features) == items["numberMatched"]
        assert features.differences(original, served, collection["columns"], compare_bounds=not reshaped) == []


@pytest.fixture(scope="session")
def world(server: Server, sources: Path) -> dict:
    return server.ready("real/world/v1", sources / "world.gpkg")


def test_a_geopackage_is_served_whole(server: Server, world: dict, sources: Path):
    assert world["state"] == "published"
    assert world["operation"]["state"] == "succeeded"
    assert_served(server, world, str(sources / "world.gpkg"), reshaped=True)


def test_the_landing_page_answers_with_and_without_slash(server: Server, world: dict):
    for url in (world["result"]["endpoint"], world["result"]["endpoint"] + "/"):
        answer = server.get(url)
        assert answer.status_code == 200
        assert {"self", "data", "conformance"} <= {link["rel"] for link in answer.json()["links"]}
    page = server.get(world["result"]["endpoint"] + "/", headers={"Accept": "text/html"})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")


def test_gdal_lists_the_layer_with_its_type(world: dict):
    for url in (world["result"]["endpoint"], world["result"]["endpoint"] + "/"):
        done = features.gdal("ogrinfo", f"OAPIF:{url}")
        assert done.returncode == 0 and done.stderr == ""
        assert "world (title: " in done.stdout or "1: world" in done.stdout


def test_a_tile_holds_the_features_of_its_place(server: Server, world: dict):
    [collection] = world["result"]["collections"]
    inside = clients.decoded_tile(collection["tiles_url"], 4, *clients.tile_at(10.5, 51, 4))
    assert "Germany" in {feature["properties"]["name_long"] for feature in inside}
    everything = clients.decoded_tile(collection["tiles_url"], 0, 0, 0)
    assert len(everything) == 177


def test_the_stac_item_is_found_by_its_clients(server: Server, world: dict):
    item = clients.stac_item(server.public_url, world)
    assert item is not None and item.id == "v1" and item.collection_id == "default:real:world"
    box = world["result"]["bbox"]
    assert item.bbox == [box["west"], box["south"], box["east"], box["north"]]
    assert item.datetime is not None and item.properties["terrane:datetime_source"]
    assert any(asset.href.startswith(world["result"]["endpoint"]) for asset in item.assets.values())
    assert server.get(world["result"]["stac_item_url"]).json()["id"] == "v1"


def test_a_projected_geopackage_comes_in_degrees(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "NY8_bna_utm18.gpkg")
    assert "UTM Zone 18" in record["result"]["treatment"]["source_crs"]
    box = record["result"]["bbox"]
    assert -80 < box["west"] < box["east"] < -70 and 40 < box["south"] < box["north"] < 46
    assert_served(server, record, str(sources / "NY8_bna_utm18.gpkg"), reshaped=True)


def test_geojson_is_served_whole(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "cycle_hire.geojson")
    assert record["result"]["collections"][0]["geometry_type"] in ("Point", "MultiPoint")
    assert_served(server, record, str(sources / "cycle_hire.geojson"))


def test_geojson_keeps_text_and_numbers(server: Server, folder: Path, name: str):
    record = server.ready(name, samples.geojson(folder / "places.geojson", samples.places(25)))
    [collection] = record["result"]["collections"]
    item = server.get(f"{collection['items_url']}/7").json()
    assert {k: v for k, v in item["properties"].items() if k != "fid"} == {"number": 7, "name": "Größe 7", "half": 3.5}
    assert [round(x, 9) for x in features.bounds_of(item["geometry"])] == [7, 0.007, 7, 0.007]


def test_a_zipped_shapefile_is_served_whole(server: Server, sources: Path, folder: Path, name: str):
    archive = samples.zipped(folder / "world.zip", samples.shapefile(folder / "x", sources / "world.gpkg", "world"))
    record = server.ready(name, archive)
    assert_served(server, record, f"/vsizip/{archive}", reshaped=True)


def test_a_shapefile_with_its_siblings_is_served_whole(server: Server, sources: Path, folder: Path, name: str):
    path = samples.shapefile(folder, sources / "cycle_hire.geojson", "hire")
    record = server.ready(name, path)
    assert_served(server, record, str(path))


def test_csv_with_longitude_and_latitude_is_served_whole(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "cycle_hire_xy.csv", "--lon", "X", "--lat", "Y")
    path = sources / "cycle_hire_xy.csv"
    assert_served(server, record, str(path), *features.table_options(path))
    assert "CRS_ASSUMED" in {warning["reason"] for warning in record["warnings"]}
    box = record["result"]["bbox"]
    assert -0.3 < box["west"] < box["east"] < 0.1 and 51 < box["south"] < box["north"] < 52


def test_csv_with_wkt_is_served_whole(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "world_wkt.csv")
    path = sources / "world_wkt.csv"
    assert_served(server, record, str(path), *features.table_options(path), reshaped=True)
    assert record["result"]["collections"][0]["geometry_type"] == "MultiPolygon"


def test_features_without_geometry_are_dropped_and_counted(server: Server, folder: Path, name: str):
    content = samples.places(10)
    content["features"][3]["geometry"] = None
    path = samples.geojson(folder / "places.geojson", content)
    record = server.ready(name, path)
    assert {"reason": "NULL_GEOMETRY", "count": 1}.items() <= next(
        w for w in record["warnings"] if w["reason"] == "NULL_GEOMETRY"
    ).items()
    assert record["result"]["feature_count"] == 9
    assert record["result"]["treatment"]["source_features"] == 10
    assert record["result"]["treatment"]["dropped_null_geometries"] == 1


@pytest.mark.parametrize(
    ("driver", "file", "read_as"),
    [
        ("FlatGeobuf", "world.fgb", "{}"),
        ("GeoJSONSeq", "world.geojsonl", "GeoJSONSeq:{}"),
        ("LIBKML", "world.kml", "{}"),
        ("LIBKML", "world.kmz", "{}"),
    ],
)
def test_is_served_whole_from(driver: str, file: str, read_as: str, server: Server, sources: Path, folder: Path, name: str):
    path = folder / file
    samples.ogr2ogr("-f", driver, path, sources / "world.gpkg")
    samples.readable(path)
    record = server.ready(name, path)
    assert record["result"]["treatment"]["source_format"] == driver
    assert_served(server, record, read_as.format(path), reshaped=True)


def test_a_zipped_geodatabase_is_served_whole(server: Server, sources: Path, folder: Path, name: str):
    samples.ogr2ogr("-f", "OpenFileGDB", folder / "world.gdb", sources / "world.gpkg")
    archive = Path(shutil.make_archive(str(folder / "world.gdb"), "zip", folder, "world.gdb"))
    samples.readable(archive)
    record = server.ready(name, archive)
    assert_served(server, record, f"/vsizip/{archive}/world.gdb", reshaped=True)


def test_all_layers_of_a_file_become_collections(server: Server, sources: Path, folder: Path, name: str):
    path = folder / "many.gpkg"
    samples.ogr2ogr("-f", "GPKG", path, sources / "world.gpkg")
    samples.ogr2ogr("-f", "GPKG", "-update", "-nln", "hire", path, sources / "cycle_hire.geojson")
    samples.ogr2ogr("-f", "GPKG", "-update", "-nln", "notes", "-nlt", "NONE", path, sources / "cycle_hire_xy.csv")
    samples.readable(path)
    record = server.ready(name, path)
    served = {c["id"]: c for c in record["result"]["collections"]}
    assert served.keys() == {"world", "hire", "notes"}
    assert served["world"]["feature_count"] == 177
    assert served["hire"]["feature_count"] == features.counted_by_ogrinfo(str(sources / "cycle_hire.geojson"))
    assert record["result"]["feature_count"] == sum(c["feature_count"] for c in served.values())
    [table] = [w for w in record["warnings"] if w["reason"] == "NO_GEOMETRY"]
    assert table["count"] == 1 and served.pop("notes")["geometry_type"] == ""
    for id, collection in served.items():
        items = server.get(collection["items_url"], params={"limit": 1}).json()
        assert items["numberMatched"] == collection["feature_count"]
        assert len(features.read_served(record["result"]["endpoint"], id).features) == collection["feature_count"]
        assert clients.decoded_tile(collection["tiles_url"], 0, 0, 0)


def test_one_layer_of_several_can_be_chosen(server: Server, sources: Path, folder: Path, name: str):
    path = folder / "two.gpkg"
    samples.ogr2ogr("-f", "GPKG", path, sources / "world.gpkg")
    samples.ogr2ogr("-f", "GPKG", "-update", "-nln", "hire", path, sources / "cycle_hire.geojson")
    samples.readable(path)
    record = server.ready(name, path, "--layer", "hire")
    assert [c["id"] for c in record["result"]["collections"]] == ["hire"]
    assert record["result"]["feature_count"] == features.counted_by_ogrinfo(str(sources / "cycle_hire.geojson"))


def test_the_catalogue_of_a_server_lists_its_datasets(server: Server, world: dict):
    listed = server.cli("list", "--id", "real").lines
    assert world["dataset_key"] in {dataset["dataset_key"] for dataset in listed}
    assert server.get("/stac/collections/default:real:world").status_code == 200


def test_a_layer_of_several_kinds_becomes_a_collection_for_each(server: Server, folder: Path, name: str):
    content = samples.places(9)
    line, ring = [[0, 0], [1, 1], [2, 0]], [[5, 5], [6, 5], [6, 6], [5, 5]]
    for feature in content["features"][3:6]:
        feature["geometry"] = {"type": "LineString", "coordinates": line}
    content["features"][6]["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    content["features"][7]["geometry"] = None
    both = [{"type": "Point", "coordinates": [3, 3]}, {"type": "LineString", "coordinates": line}]
    content["features"][8]["geometry"] = {"type": "GeometryCollection", "geometries": both}
    path = samples.geojson(folder / "mixed.geojson", content)
    record = server.ready(name, path)
    served = {c["id"]: c for c in record["result"]["collections"]}
    assert {name: c["geometry_type"] for name, c in served.items()} == {
        "mixed_point": "MultiPoint", "mixed_line": "MultiLineString", "mixed_polygon": "MultiPolygon",
    }  # fmt: skip
    assert [c["title"] for c in served.values()] == ["mixed (points)", "mixed (lines)", "mixed (polygons)"]
    numbers = {
        name: {f["number"] for f in features.read_served(record["result"]["endpoint"], name).features.values()}
        for name in served
    }
    assert numbers == {"mixed_point": {0, 1, 2, 8}, "mixed_line": {3, 4, 5, 8}, "mixed_polygon": {6}}
    assert record["result"]["treatment"]["source_features"] == 9, "the collection's feature is one of the source's"
    assert record["result"]["treatment"]["dropped_null_geometries"] == 1
    warnings = {w["reason"]: w["count"] for w in record["warnings"]}
    assert warnings["GEOMETRY_TAKEN_APART"] == 2 and warnings["NULL_GEOMETRY"] == 1


def test_curves_are_served_as_lines(server: Server, folder: Path, name: str):
    table = folder / "curves.csv"
    table.write_text('n,WKT\n1,"CIRCULARSTRING (0 0,1 1,2 0)"\n')
    path = folder / "curves.gpkg"
    samples.ogr2ogr("-f", "GPKG", "-a_srs", "EPSG:4326", "-nlt", "CIRCULARSTRING", path, table)
    samples.readable(path)
    record = server.ready(name, path)
    assert {"CURVES_LINEARIZED": 1}.items() <= {w["reason"]: w["count"] for w in record["warnings"]}.items()
    [entry] = server.cli("log", name, "--reason", "curves_linearized").lines
    assert (entry["step"], entry["count"]) == ("ingest_vector", 1)
    assert entry["places"] == [{"layer": "curves", "feature": 1, "detail": "curves drawn as lines"}]
    assert server.cli("log", "no/such/v1").code == 4
    [collection] = record["result"]["collections"]
    [item] = server.get(collection["items_url"]).json()["features"]
    # Drawn through points every 4 degrees; the northernmost of the arc is none of them.
    assert [round(x, 2) for x in features.bounds_of(item["geometry"])] == [0, 0, 2, 1]


def test_columns_are_told_with_what_is_in_them(server: Server, folder: Path, name: str):
    source = samples.geojson(folder / "places.geojson", samples.places(40, kind="town"))
    [collection] = server.ready(name, source)["result"]["collections"]
    columns = {column["name"]: column for column in collection["columns"]}
    number = columns["number"]
    assert (number["null_count"], number["minimum"], number["maximum"]) == (0, "0", "39")
    assert columns["kind"]["frequent_values"] == [{"value": "town", "share": 1.0}]
    shown = server.cli("get", name, "--columns", json_output=False)
    assert shown.code == 0, shown
    assert "number  int4    none   0 … 39" in shown.out and "kind    text    none   town 100%" in shown.out, shown.out


def test_the_log_has_a_thousand_places_and_every_reject(server: Server, folder: Path, name: str):
    content = samples.places(3_000)
    for feature in content["features"][:1_500]:
        feature["geometry"] = None
    for number in (1_600, 1_700, 2_999):
        content["features"][number]["geometry"]["coordinates"] = [number, 100]
    source = samples.geojson(folder / "places.geojson", content)
    server.ready(name, source, "--max-rejects", "30")
    log = {entry["reason"]: entry for entry in server.cli("log", name).lines}
    assert log["NULL_GEOMETRY"]["count"] == 1_500
    features = [place["feature"] for place in log["NULL_GEOMETRY"]["places"]]
    assert features == list(range(1_000)), "the first ones, in their order"
    rejects = log["RECORD_REJECTED"]
    assert rejects["count"] == 3 and [place["feature"] for place in rejects["places"]] == [1_600, 1_700, 2_999]
    table = list(csv.DictReader(io.StringIO(server.cli("log", name, "--csv", json_output=False).out, newline="")))
    assert len(table) == 1_003 and {row["step"] for row in table} == {"ingest_vector"}
    assert [row["feature"] for row in table if row["reason"] == "RECORD_REJECTED"] == ["1600", "1700", "2999"]
    shown = server.cli("log", name, json_output=False).out
    assert "1,500 × NULL_GEOMETRY" in shown and "and 1,480 more" in shown
    assert "and 500 more" in server.cli("log", name, "--reason", "NULL_GEOMETRY", json_output=False).out


def test_too_many_rejects_fail_with_all_of_them_in_the_log(server: Server, folder: Path, name: str):
    content = samples.places(60)
    for feature in content["features"][10:50]:
        feature["geometry"]["coordinates"] = [500, 500]
    source = samples.geojson(folder / "places.geojson", content)
    assert server.create(name, source, "--max-rejects", "35").code == 1
    [rejects] = server.cli("log", name, "--reason", "RECORD_REJECTED").lines
    assert [place["feature"] for place in rejects["places"]] == list(range(10, 45))
    assert server.record(name)["problem"]["location"]["feature"] == 45


def test_a_table_beside_layers_is_served_as_a_table(server: Server, folder: Path, name: str):
    source = folder / "town.gpkg"
    samples.ogr2ogr("-f", "GPKG", "-nln", "places", source, samples.geojson(folder / "places.geojson", samples.places(9)))
    table = folder / "owners.csv"
    table.write_text("who,since\n" + "".join(f"owner {n},{1990 + n}\n" for n in range(12)))
    samples.ogr2ogr("-update", "-nln", "owners", "-oo", "AUTODETECT_TYPE=YES", source, table)
    samples.readable(source)
    record = server.ready(name, source)
    places, owners = sorted(record["result"]["collections"], key=lambda one: one["id"], reverse=True)
    assert (places["feature_count"], owners["feature_count"], owners["geometry_type"]) == (9, 12, "")
    assert places["tiles_url"] and not owners.get("tiles_url")
    assert {warning["reason"]: warning["count"] for warning in record["warnings"]} == {"NO_GEOMETRY": 1}
    items = server.get(owners["items_url"]).json()
    assert items["numberMatched"] == 12 and all(feature["geometry"] is None for feature in items["features"])
    assert items["features"][3]["properties"]["who"] == "owner 3" and items["features"][3]["properties"]["since"] == 1993
    at = owners["items_url"].removesuffix("/items")
    assert server.get(f"{at}/tiles/WebMercatorQuad/0/0/0").status_code == 404
    assert len(server.get(f"{at}/download.csv").text.splitlines()) == 13
    item = server.get(record["result"]["stac_item_url"]).json()
    assert "tiles-places" in item["assets"] and "tiles-owners" not in item["assets"]
    assert "no geometry" in server.cli("get", name, json_output=False).out
    assert server.get(f"/api/data/{name}/", headers={"Accept": "text/html"}).status_code == 200
    # Alone it would be a map without anything on it.
    assert server.create(name.replace("/v", "/w"), source, "--layer", "owners").problem["reason"] == "NO_GEOMETRY"
