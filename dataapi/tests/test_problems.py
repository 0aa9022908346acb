"""What goes wrong says what and whose it is: 4xx for the client's mistakes, 503 for an absent database, never 500."""

import json

import pytest
import requests
from conftest import eventually

PLACES = "/api/data/places/cities/v1.0"
ITEMS = f"{PLACES}/collections/cities/items"
TILES = f"{PLACES}/collections/cities/tiles/WebMercatorQuad"
STAC = "/stac/search"
DEEP = "(" * 20000 + "fid=1" + ")" * 20000

WRONG = [
    (f"{ITEMS}?bbox=a,b,c,d", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?bbox=1,2,3", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?bbox=nan,0,1,1", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?bbox=0,95,10,99", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?limit=0", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?limit=-1", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?limit=ten", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?offset=99999999999999999999999", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?ids=99999999999999999999999", 404, "FEATURE_NOT_FOUND"),
    (f"{ITEMS}?datetime=yesterday", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?datetime=../..", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?datetime=2020-01-02T00:00:00Z/2020-01-01T00:00:00Z", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?sortby=nope", 400, "UNKNOWN_PROPERTY"),
    (f"{ITEMS}?properties=nope", 400, "UNKNOWN_PROPERTY"),
    (f"{ITEMS}?geom-column=nope", 400, "UNKNOWN_PROPERTY"),
    (f"{ITEMS}?datetime-column=nope", 400, "UNKNOWN_PROPERTY"),
    (f"{ITEMS}?simplify=nan", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?crs=http://www.opengis.net/def/crs/EPSG/0/3857", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?f=xml", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?population=many", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?filter=bogus(((", 400, "INVALID_FILTER"),
    (f"{ITEMS}?filter=nope=1", 400, "UNKNOWN_PROPERTY"),
    (f"{ITEMS}?filter=name=1", 400, "INVALID_FILTER"),
    (f"{ITEMS}?filter=fid/0=1", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?filter=pg_sleep(30)=1", 400, "INVALID_FILTER"),
    (f"{ITEMS}?filter=s_intersects(geom,polygon((0 0,1 1)))", 400, "INVALID_FILTER"),
    (f"{ITEMS}?filter={DEEP}", 400, "INVALID_FILTER"),
    (f"{ITEMS}?filter={'not ' * 8000}fid=1", 400, "INVALID_FILTER"),
    (f"{ITEMS}?filter=name=%27%00%27", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?filter-lang=sql&filter=true", 400, "INVALID_PARAMETER"),
    (f"{ITEMS}?filter-lang=cql2-json&filter={{", 400, "INVALID_FILTER"),
    (f"{ITEMS}/99999999999999999999999", 404, "FEATURE_NOT_FOUND"),
    (f"{ITEMS}/none", 404, "FEATURE_NOT_FOUND"),
    (f"{ITEMS}/1201", 404, "NOT_FOUND"),
    (f"{PLACES}/collections/nope/items", 404, "COLLECTION_NOT_FOUND"),
    (f"{PLACES}/collections/data.d1_b10_t1/items", 404, "COLLECTION_NOT_FOUND"),
    (f"{PLACES}/nope", 404, "NOT_FOUND"),
    (f"{TILES}/zero/0/0", 400, "INVALID_PARAMETER"),
    (f"{TILES}/0/0/0?limit=0", 400, "INVALID_PARAMETER"),
    (f"{TILES}/0/0/0?geom-column=nope", 400, "UNKNOWN_PROPERTY"),
    (f"{TILES}/0/0/0?simplify=inf", 400, "INVALID_PARAMETER"),
    (f"{TILES}/tilejson.json?maxzoom=99", 400, "INVALID_PARAMETER"),
    (f"{STAC}?bbox=a", 400, "INVALID_PARAMETER"),
    (f"{STAC}?bbox=1,2,3", 400, "INVALID_PARAMETER"),
    (f"{STAC}?limit=0", 400, "INVALID_PARAMETER"),
    (f"{STAC}?token=bad", 400, "INVALID_PARAMETER"),
    (f"{STAC}?datetime=yesterday", 400, "INVALID_PARAMETER"),
    (f"{STAC}?datetime=../..", 400, "INVALID_PARAMETER"),
    (f"{STAC}?query=x", 400, "INVALID_PARAMETER"),
    (f"{STAC}?query=[]", 400, "INVALID_PARAMETER"),
    (f"{STAC}?query=", 400, "INVALID_PARAMETER"),
    ("/stac/collections?query=", 400, "INVALID_PARAMETER"),
    (f"{STAC}?intersects=", 400, "INVALID_PARAMETER"),
    (f"{STAC}?intersects=x", 400, "INVALID_PARAMETER"),
    (f"{STAC}?fields=,", 400, "INVALID_PARAMETER"),
    (f"{STAC}?filter=bad((", 400, "INVALID_FILTER"),
    (f"{STAC}?filter={DEEP}", 400, "INVALID_FILTER"),
    (f"{STAC}?filter=pg_sleep(30)=1", 400, "INVALID_FILTER"),
    ("/stac/collections/nope", 404, "NOT_FOUND"),
    ("/stac/collections?offset=99999999999999999999999", 400, "INVALID_PARAMETER"),
    ("/nope", 404, "NOT_FOUND"),
    ("/?offset=x", 400, "INVALID_PARAMETER"),
]


@pytest.mark.parametrize(("path", "status", "reason"), WRONG, ids=[path[:90] for path, _, _ in WRONG])
def test_a_wrong_request_is_refused_with_its_reason(service, path, status, reason):
    answer = service.get(path)
    assert (answer.status_code, answer.json().get("reason")) == (status, reason), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status and answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "x", "[]", "null", '{"bbox":["a"]}', '{"limit":-1}', '{"token":"zz"}', '{"filter":{"op":"pg_sleep","args":[1]}}',
        '{"filter":{}}', '{"query":{"a":1}}', '{"query":{"datetime":{"gt":"zz"}}}', '{"ids":["\\u0000"]}', '{"collections":"a"}',
        '{"intersects":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}}', '{"filter":{"op":"and","args":[true,false]}}',
        '{"filter":{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}]}}',
    ],
)  # fmt: skip
def test_a_wrong_search_is_refused(service, body):
    answer = requests.post(service.url + STAC, data=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == 400, answer.text
    assert answer.json()["reason"] in ("INVALID_PARAMETER", "INVALID_FILTER")


def test_an_endless_search_is_refused(service):
    body = json.dumps({"ids": ["x" * 2**21]})
    answer = requests.post(service.url + STAC, data=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == 413


def test_strange_accept_headers_are_survived(service):
    for accept in ("text/html;level", ";;;q=x,,", "*", "a/b;q=", "text/html;q=0.5;q=zz, application/json"):
        assert service.get(f"{PLACES}/", headers={"Accept": accept}).status_code == 200


def test_only_reading_is_allowed(service):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert requests.request(method, service.url + ITEMS, timeout=30).status_code == 405


def test_the_role_can_change_nothing(cluster):
    import psycopg

    with cluster.connect(user="terrane_dataapi") as reader:
        for statement in ("DELETE FROM serving.routes", "DROP TABLE data.d1_b10_t1", "CREATE TABLE data.x ()"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                reader.execute(statement)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("SET default_transaction_read_only = off")
                reader.execute(statement)
            reader.execute("RESET ALL")


def test_nothing_above_was_a_defect(service):
    logged = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert [line for line in logged if line["level"] == "error"] == []


def test_a_database_that_is_away_is_temporary(cluster, published, tmp_path):
    from conftest import end, launch

    own = launch(cluster, tmp_path / "log")
    try:
        assert own.get("/healthz").json() == {"ok": True}
        assert own.json(ITEMS)["numberMatched"] == 1200
        cluster.stop()
        for path in ("/healthz", "/", ITEMS, f"{TILES}/0/0/0", STAC):
            answer = own.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (503, "DATABASE_UNAVAILABLE"), path
            assert int(answer.headers["retry-after"]) > 0
        cluster.start()
        eventually(lambda: own.get("/healthz").status_code == 200)
        assert own.json(ITEMS)["numberMatched"] == 1200
        assert own.get(STAC).status_code == 200
    finally:
        cluster.start() if not (cluster.data / "postmaster.pid").exists() else None
        assert end(own) == 0
