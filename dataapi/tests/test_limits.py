"""What one request may take of the server: bytes, points, numbers, nesting, pages. More is refused, and says how much may be asked."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests
from conftest import Service
from terrane_dataapi import catalog, client_json

HILLS = "/api/data/hills/heights/v1"
ITEMS = "/api/data/places/cities/v1.0/collections/cities/items"
SEARCH = "/stac/search"
# What Python's own parser stumbles over: it recurses, and keeps numbers that no float can hold.
DEEP = "[" * 5000
HUGE = "1" * 400
RING = "[[[9.2,49.2],[9.3,49.2],[9.3,49.3],[9.2,49.3],[9.2,49.2]]]"


def post(service: Service, path: str, body: str | bytes) -> requests.Response:
    return requests.post(service.url + path, data=body, headers={"Content-Type": "application/json"}, timeout=60)


def refused(answer: requests.Response) -> str:
    """The detail of a refusal that is the client's."""
    assert answer.status_code == 400, answer.text[:300]
    assert answer.json()["reason"] in ("INVALID_PARAMETER", "INVALID_FILTER")
    return answer.json()["detail"]


def feature(coordinates: str = RING, properties: str = "{}") -> str:
    return f'{{"type":"Feature","properties":{properties},"geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}'


# Bodies


@pytest.mark.parametrize("path", [f"{HILLS}/statistics", f"{HILLS}/feature.png", "/api/data/pieces/picture/v1/statistics", SEARCH])
def test_a_body_that_is_too_large_is_refused_before_it_ends(service, path):
    host, port = service.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {100 * 2**20}\r\n\r\n"
        client.sendall(head.encode() + b" " * (client_json.LARGEST_BODY + 2**20))
        # The other 95 MB are never sent.
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:300]


def test_a_large_body_that_is_none_too_large_is_read(service):
    more = json.dumps({"note": "x" * 2**20})
    assert post(service, f"{HILLS}/statistics", feature(properties=more)).status_code == 200


def test_outlines_have_an_end(service):
    def outline(points: int) -> str:
        row = [[9 + i / points, 49.2] for i in range(points - 2)]
        return feature(json.dumps([[*row, [9.5, 49.3], row[0]]], separators=(",", ":")))

    assert "100000 points" in refused(post(service, f"{HILLS}/statistics", outline(100_001)))
    assert post(service, f"{HILLS}/feature.png?max_size=16", outline(20_000)).status_code == 200


def test_large_bodies_are_parsed_beside_the_event_loop():
    loop = threading.get_ident()
    assert asyncio.run(client_json.beside(100, threading.get_ident)) == loop
    assert asyncio.run(client_json.beside(2**20, threading.get_ident)) != loop


@pytest.mark.parametrize("path", [f"{HILLS}/statistics", f"{HILLS}/feature.png"])
@pytest.mark.parametrize("body", [
    feature(RING.replace("9.2,", f"{HUGE},")), feature(RING.replace("9.2,", "1e999,")), feature(DEEP), feature("[" * 900 + "]" * 900),
    feature(properties='{"a":' + "[" * 400 + "]" * 400 + "}"), feature(properties=f'{{"a":{HUGE}}}'), feature(properties='{"a":NaN}'),
    feature(properties='{"a":"\\ud800"}'), DEEP, "", "[]", "\xff",
])  # fmt: skip
def test_bodies_that_would_be_stumbled_over_are_refused(service, path, body):
    refused(post(service, path, body.encode("latin-1")))


def test_how_finely_the_cover_of_a_feature_is_found_out_has_an_end(service):
    ask = f"{HILLS}/statistics?max_size=512&cover_scale="
    assert post(service, f"{ask}20", feature()).status_code == 200
    assert "cover_scale" in refused(post(service, f"{ask}300", feature()))


# Parameters of rasters


def intervals(count: int) -> str:
    return json.dumps([[[i, i + 1], [1, 2, 3]] for i in range(count)], separators=(",", ":"))


def values(count: int) -> str:
    return json.dumps({i: "#123" for i in range(count)}, separators=(",", ":"))


def test_a_colour_map_has_an_end(service):
    def ask(colormap: str) -> requests.Response:
        return service.get(f"{HILLS}/preview.png", params={"bidx": 1, "max_size": 16, "colormap": colormap})

    assert ask(intervals(256)).status_code == ask(values(1024)).status_code == 200
    for more in (intervals(257), values(1025)):
        assert "256 intervals, or 1024 values" in refused(ask(more))
    assert ask("[[[0,Infinity],[1,2,3]]]").status_code == 200


@pytest.mark.parametrize("query", [
    f"colormap={DEEP}", "colormap=%7B%221%22:" + DEEP, f"colormap=[[[0,{HUGE}],[1,2,3]]]", f'colormap={{"1":[1,2,{HUGE}]}}',
    'colormap={"1":[1,2,-3]}', f"algorithm=hillshade&algorithm_params={DEEP}", f"nodata={HUGE}",
    f"dst_crs={DEEP}", "dst_crs=%7B%22a%22:" + DEEP, 'coord_crs={"init":5}',
])  # fmt: skip
def test_parameters_that_would_be_stumbled_over_are_refused(service, query):
    refused(service.get(f"{HILLS}/bbox/9.2,49.2,9.3,49.3.png?{query}"))


def test_a_number_that_no_float_holds_stands_for_nothing():
    from terrane_dataapi import raster_parameters
    from terrane_dataapi.problems import Problem

    raster = {"bands": [{"type": "float32"}]}
    with pytest.raises(Problem):
        raster_parameters._check_nodata(HUGE, raster)
    for fine in ("-9999", "1e30", "nan", "inf"):
        raster_parameters._check_nodata(fine, raster)


# Filters and searches


@pytest.mark.parametrize("text", [
    f"fid={HUGE}", "fid<1e999", f"s_intersects(geom,point({HUGE} 0))", f'{{"op":"=","args":[{{"property":"fid"}},{HUGE}]}}',
    '{"op":"not","args":' + DEEP, '{"op":"in","args":[{"property":"fid"},[' + "1," * 10_000 + "1]]}",
])  # fmt: skip
@pytest.mark.parametrize("path", [ITEMS, SEARCH])
def test_filters_that_would_be_stumbled_over_are_refused(service, path, text):
    refused(service.get(f"{path}?filter={quote(text)}&filter-lang=cql2-{'json' if text.startswith('{') else 'text'}"))


EQUAL = {"op": "=", "args": [{"property": "a"}, 1]}


@pytest.mark.parametrize("search", [
    '{"query":{"a":{"eq":' + "[" * 900 + "]" * 900 + "}}}", f'{{"query":{{"a":{{"eq":{HUGE}}}}}}}', f'{{"x":{DEEP}}}', f'{{"bbox":[{HUGE},0,1,1]}}',
    '{"datetime":"9999-12-31T23:59:59-14:00"}', '{"datetime":"0001-01-01T00:00:00+14:00/.."}',
    json.dumps({"filter": {"op": "and", "args": [EQUAL] * 5000}}), json.dumps({"query": {f"a{i}": {"eq": 1} for i in range(5000)}}),
    json.dumps({"sortby": [{"field": f"a{i}", "direction": "asc"} for i in range(5000)]}),
    json.dumps({"fields": {"include": [f"a{i}" for i in range(5000)]}}),
])  # fmt: skip
def test_searches_that_would_be_stumbled_over_or_take_for_ever_are_refused(service, search):
    refused(post(service, SEARCH, search))


@pytest.mark.parametrize("query", [
    "datetime=9999-12-31T23:59:59-14:00", "datetime=0001-01-01T00:00:00%2B14:00", "query=%7B%22a%22:" + DEEP,
    'query={"a":{"eq":' + "[" * 900 + "]" * 900 + "}}", "fields=" + "a," * 600 + "a", "sortby=" + "a," * 600 + "a",
])  # fmt: skip
def test_searches_by_query_have_the_same_limits(service, query):
    refused(service.get(f"{SEARCH}?{query}"))


def test_a_usual_search_is_within_them(service):
    search = {"filter": {"op": "or", "args": [EQUAL] * 50}, "sortby": [{"field": "id", "direction": "asc"}],
              "fields": {"include": ["id"]}, "datetime": "0001-01-01T00:00:00Z/9999-12-31T23:59:59Z"}  # fmt: skip
    assert post(service, SEARCH, json.dumps(search)).status_code == 200


# Pages

MANY = "default:many:items"


@pytest.fixture(scope="module")
def many(cluster, published) -> Iterator[None]:
    """A collection with ten items more than a page may have."""
    described = {
        "type": "Collection", "id": MANY, "stac_version": "1.0.0", "description": "Many", "license": "CC0-1.0", "links": [],
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}},
    }  # fmt: skip
    items = [
        {"type": "Feature", "stac_version": "1.0.0", "id": f"i{n:04}", "collection": MANY, "links": [], "bbox": [0, 0, 1, 1],
         "geometry": {"type": "Point", "coordinates": [0.5, 0.5]}, "properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {}}
        for n in range(catalog.LARGEST_PAGE + 10)
    ]  # fmt: skip
    with cluster.connect() as admin:
        admin.execute("SET search_path = pgstac, public")
        admin.execute("SELECT upsert_collection(%s::text::jsonb)", (json.dumps(described),))
        admin.execute("SELECT create_items(%s::text::jsonb)", (json.dumps(items),))
        yield
        admin.execute("SELECT delete_collection(%s)", (MANY,))


def follow(answer: requests.Response) -> requests.Response:
    """The next page."""
    link = next(link for link in answer.json()["links"] if link["rel"] == "next")
    if link.get("method", "GET") == "GET":
        return requests.get(link["href"], timeout=60)
    return requests.post(link["href"], json=link["body"], timeout=60)


@pytest.mark.parametrize("asked", ["items", "search", "posted"])
def test_a_page_has_at_most_500_items_and_leads_to_the_rest(local, many, asked):
    if asked == "posted":
        first = post(local, SEARCH, json.dumps({"collections": [MANY], "limit": 100_000}))
    else:
        path = f"/stac/collections/{MANY}/items?limit=10000" if asked == "items" else f"{SEARCH}?collections={MANY}&limit=10000"
        first = local.get(path)
    assert first.status_code == 200, first.text[:300]
    second = follow(first)
    pages = [{item["id"] for item in page.json()["features"]} for page in (first, second)]
    assert [len(page) for page in pages] == [500, 10] and not pages[0] & pages[1]
    assert not [link for link in second.json()["links"] if link["rel"] == "next"]


@pytest.mark.parametrize("limit", ["0", "-1", "ten"])
def test_a_page_of_nothing_is_refused(service, limit):
    for path in (SEARCH, "/stac/collections/default:places:cities/items"):
        refused(service.get(f"{path}?limit={limit}"))


def test_a_page_of_collections_has_the_same_end(monkeypatch):
    async def asked(self, request, limit=None, **more):
        return limit

    monkeypatch.setattr(catalog.CoreCrudClient, "all_collections", asked)
    client = catalog.ReadOnlyClient()
    assert [asyncio.run(client.all_collections(None, limit=limit)) for limit in (None, 7, 10_000)] == [None, 7, 500]
