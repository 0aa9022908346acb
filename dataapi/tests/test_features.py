"""OGC API Features, as the clients people use see it."""

import json
import subprocess

import pytest
from conftest import PUBLIC_URL
from owslib.ogcapi.features import Features

PLACES = "/api/data/places/cities/v1.0"
MIXED = "/api/data/@survey-2/field.work/site_A/2025-01"
ITEMS = f"{PLACES}/collections/cities/items"


def gdal(*command: str) -> str:
    """Runs a GDAL tool; it must succeed and have nothing to complain about."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.parametrize("slash", ["", "/"])
def test_gdal_reads_every_feature(local, tmp_path, slash):
    source = f"OAPIF:{local.url}{PLACES}{slash}"
    assert "1: cities" in gdal("ogrinfo", source)
    copy = tmp_path / "copy.geojson"
    gdal("ogr2ogr", "-f", "GeoJSON", "-lco", "ID_FIELD=fid", str(copy), source, "cities", "-oo", "PAGE_SIZE=500")
    features = json.loads(copy.read_text())["features"]
    assert sorted(f["id"] for f in features) == list(range(1, 1201))
    assert {f["properties"]["name"] for f in features if f["id"] == 7} == {"Place 7"}


def test_gdal_reads_a_namespace_with_several_collections(local, tmp_path):
    source = f"OAPIF:{local.url}{MIXED}"
    listed = gdal("ogrinfo", source)
    assert all(name in listed for name in ("zones", "tracks", "notes"))
    for name, count in (("zones", 30), ("tracks", 40), ("notes", 5)):
        assert f"Feature Count: {count}" in gdal("ogrinfo", "-so", source, name)


def test_gdal_filters_by_rectangle(local):
    source = f"OAPIF:{local.url}{PLACES}"
    expected = local.json(f"{ITEMS}?bbox=-10,-10,40,40")["numberMatched"]
    assert 0 < expected < 1200
    assert f"Feature Count: {expected}" in gdal("ogrinfo", "-so", "-spat", "-10", "-10", "40", "40", source, "cities")


def test_owslib_pages_through_all(local):
    client = Features(local.url + PLACES)
    assert client.feature_collections() == ["cities"]
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in client.conformance()["conformsTo"]
    assert client.api()["openapi"].startswith("3.")
    assert client.collection_queryables("cities")["properties"]["population"]["type"] == "number"
    seen: set[int] = set()
    while True:
        page = client.collection_items("cities", limit=500, offset=len(seen))
        seen |= {feature["id"] for feature in page["features"]}
        if not page["numberReturned"] or len(seen) >= page["numberMatched"]:
            break
    assert seen == set(range(1, 1201))


def test_next_links_lead_through_all(local):
    import requests

    url, seen = f"{local.url}{ITEMS}?limit=700&sortby=-population", []
    while url:
        page = requests.get(url, timeout=30).json()
        assert page["numberMatched"] == 1200
        seen += [feature["id"] for feature in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert seen == list(range(1200, 0, -1))


@pytest.mark.parametrize(
    ("query", "matched"),
    [
        ("", 1200),
        ("?ids=1,2,5", 3),
        ("?population=5000", 1),
        ("?filter=population > 1000000", 200),
        ("?filter=rank = 3 AND NOT capital = true", 86),
        ("?filter=name LIKE 'Place 11%'", 111),
        ("?filter=casei(name) = casei('PLACE 7')", 1),
        ("?filter=T_AFTER(seen, TIMESTAMP('2020-02-01T00:00:00Z'))", 456),
        ("?datetime=2020-02-01T00:00:00Z/..&datetime-column=seen", 457),
        ('?filter-lang=cql2-json&filter={"op":"in","args":[{"property":"fid"},[1,2]]}', 2),
        ("?bbox=-180,-90,180,90", 1200),
        ("?bbox=-180,-90,-100,180,90,100", 1200),
    ],
)
def test_number_matched_is_exact(service, query, matched):
    assert service.json(ITEMS + query)["numberMatched"] == matched


def test_rectangles_in_filters_mean_what_bbox_means(service):
    by_parameter = service.json(f"{ITEMS}?bbox=0,0,30,30")["numberMatched"]
    assert by_parameter > 0
    assert service.json(f"{ITEMS}?filter=S_INTERSECTS(geom, BBOX(0,0,30,30))")["numberMatched"] == by_parameter


def test_every_type_of_column_has_a_value(service):
    properties = service.json(f"{ITEMS}/2")["properties"]
    assert properties == {
        "fid": 2, "name": "Place 2", "population": 2000, "rank": 2, "height": 2 / 3, "founded": "1900-01-03",
        "seen": "2020-01-01T02:00:00+00:00", "capital": True, "tags": ["a", "b2"], "extra": {"n": 2},
        "Odd Name": "odd", "code": "00ff", "price": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["geojson", "json", "csv", "geojsonseq", "ndjson"])
def test_every_format_has_rows_and_can_be_empty(service, form):
    full = service.get(f"{ITEMS}?f={form}&limit=3")
    assert (full.status_code, full.text.count("Place")) == (200, 2)  # the first is named otherwise
    empty = service.get(f"{ITEMS}?f={form}&offset=100000")
    assert (empty.status_code, empty.text.count("Place")) == (200, 0)


def test_a_limit_over_the_maximum_is_the_maximum(service):
    assert service.json(f"{ITEMS}?limit=20000")["numberReturned"] == 1200


def test_ids_beyond_2_to_the_53_are_exact(service, admin):
    admin.execute("INSERT INTO data.d2_b20_t3 VALUES (9007199254740993, 'odd'), (9007199254740992, 'even')")
    try:
        of = f"{MIXED}/collections/notes/items"
        assert service.json(f"{of}/9007199254740993")["properties"]["note"] == "odd"
        found = service.json(f"{of}?ids=1,9007199254740993")["features"]
        assert [f["properties"]["note"] for f in found] == ["note 1", "odd"]
    finally:
        admin.execute("DELETE FROM data.d2_b20_t3 WHERE fid > 5")


@pytest.mark.parametrize("base", [PLACES, MIXED])
def test_links_use_the_public_url_whatever_the_host(service, base):
    lies = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=http"}
    collection = service.json(f"{base}/collections", headers=lies)["collections"][0]["id"]
    paths = ["/", "/collections", f"/collections/{collection}", f"/collections/{collection}/items?limit=2&offset=1"]
    paths += [
        f"/collections/{collection}/tiles",
        f"/collections/{collection}/tiles/WebMercatorQuad/tilejson.json",
        "/api",
    ]
    for path in paths:
        document = service.get(base + path, headers=lies)
        assert document.status_code == 200
        assert "evil.example" not in document.text
        found = list(_own_urls(document.json()))
        assert found, path
        for url in found:
            assert url.startswith(PUBLIC_URL + base) or url.startswith(PUBLIC_URL + "/stac"), url


def _own_urls(value):
    """Every URL a document gives for itself: links, tiles, servers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("href", "url") and isinstance(inner, str):
                yield inner
            elif key == "tiles" and isinstance(inner, list):
                yield from inner
            else:
                yield from _own_urls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _own_urls(inner)


def test_templated_links_are_templates(service):
    links = service.json(f"{PLACES}/")["links"]
    templates = [link["href"] for link in links if link.get("templated")]
    assert PUBLIC_URL + PLACES + "/collections/{collectionId}/items/{itemId}" in templates
    assert not any("%7B" in href for href in templates)
    feature = service.json(f"{ITEMS}?ids=4")["features"][0]
    assert [link["href"] for link in feature["links"]] == [
        PUBLIC_URL + PLACES + "/collections/cities",
        PUBLIC_URL + ITEMS + "/4",
    ]
