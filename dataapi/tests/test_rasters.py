"""Rasters: how they are shown where nobody says, and what may be asked of them."""

import io
import os
from pathlib import Path

import pytest
import rasterio
from terrane_dataapi.rendering import completed

HILLS = "/api/data/hills/heights/v1"
TILE = f"{HILLS}/tiles/WebMercatorQuad/9/269/175"
DETAILS = {"rendering": {"bands": [1], "rescale": [[0, 998], [10, 500.5]], "colormap": "viridis"}}


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/preview.png", b"", b"bidx=1&rescale=0%2C998&colormap_name=viridis"),
        ("/tiles/WebMercatorQuad/1/2/3", b"tilesize=512", b"tilesize=512&bidx=1&rescale=0%2C998&colormap_name=viridis"),
        ("/tiles/WebMercatorQuad/1/2/3.png", b"bidx=2", b"bidx=2&rescale=10%2C500.5&colormap_name=viridis"),
        ("/bbox/1,2,3,4/20x20.jpeg", b"bidx=2&bidx=1", b"bidx=2&bidx=1&rescale=10%2C500.5&rescale=0%2C998"),
        ("/feature.png", b"rescale=1,2", b"rescale=1%2C2&bidx=1&colormap_name=viridis"),
        ("/preview.png", b"colormap_name=magma", b"colormap_name=magma&bidx=1&rescale=0%2C998"),
        # Values, and what is computed from them, are left alone.
        ("/preview.tif", b"", b""),
        ("/tiles/WebMercatorQuad/1/2/3.npy", b"", b""),
        ("/preview.png", b"expression=b1/b2", b"expression=b1/b2"),
        ("/preview.png", b"algorithm=hillshade", b"algorithm=hillshade"),
        ("/statistics", b"", b""),
        ("/point/1,2", b"", b""),
        ("/WebMercatorQuad/tilejson.json", b"", b""),
        # Not for us to tell.
        ("/preview.png", b"bidx=9", b"bidx=9&colormap_name=viridis"),
        ("/preview.png", b"bidx=x", b"bidx=x"),
    ],
)
def test_a_picture_is_made_of_values_where_nobody_says_how(path, query, expected):
    assert completed(path, query, DETAILS) == expected


def test_what_is_shown_is_what_an_explicit_request_shows(service):
    told = service.get(f"{TILE}.png")
    assert told.status_code == 200, told.text
    assert told.content == service.get(f"{TILE}.png?bidx=1&rescale=0,998&colormap_name=viridis").content
    with rasterio.open(io.BytesIO(service.get(f"{TILE}.tif").content)) as values:
        assert values.dtypes[:2] == ("uint16", "uint16") and values.read(1).max() > 900


WRONG = [
    ("/tiles/WebMercatorQuad/25/0/0.png", 404),
    ("/tiles/WebMercatorQuad/1/2/0.png", 404),
    ("/tiles/WebMercatorQuad/9/-1/0.png", 404),
    ("/tiles/WebMercatorQuad/9/99999999999999999999/0.png", 404),
    ("/tiles/Nope/1/0/0.png", 400),
    ("/tiles/WebMercatorQuad/9/269/175.exe", 400),
    ("/bbox/-180,-90,180,90.png?dst_crs=EPSG:3031", 400),
    ("/bbox/9,49,9.0000001,50.png?width=2048", 400),
    ("/preview.png?bidx=3", 400),
    ("/preview.png?bidx=0", 400),
    ("/preview.png?" + "&".join(["bidx=1"] * 17), 400),
    ("/preview.png?expression=b1/b9", 400),
    ("/preview.png?expression=__import__('os')", 400),
    ("/preview.png?expression=" + "b1%2B" * 200 + "b1", 400),
    ("/preview.png?expression=b1%2F", 400),
    ("/preview.png?max_size=99999", 400),
    ("/preview/99999x99999.png", 400),
    ("/preview/0x10.png", 400),
    ("/preview.png?rescale=a,b", 400),
    ("/preview.png?rescale=1,2,3,4", 400),
    ("/preview.png?rescale=nan,1", 400),
    ("/preview.png?rescale=10,5", 400),
    ("/preview.png?rescale=5,5", 400),
    ("/preview.png?rescale=0,9&rescale=9,0", 400),
    ("/preview.png?colormap_name=nope", 400),
    ("/preview.png?colormap={", 400),
    ("/preview.png?colormap=[1]", 400),
    ("/preview.png?nodata=nan", 400),
    ("/preview.png?nodata=x", 400),
    ("/preview.png?dst_crs=EPSG:0", 400),
    ("/preview.png?algorithm=nope", 400),
    ("/preview.png?algorithm=hillshade&algorithm_params=null", 400),
    ("/preview.png?algorithm=hillshade&algorithm_params={", 400),
    ('/preview.png?algorithm=hillshade&algorithm_params={"azimuth":"x"}', 400),
    ("/preview.png?algorithm=normalizedIndex&bidx=1", 400),
    ("/preview.png?color_formula=nope", 400),
    ("/bbox/9,49,nope,50.png", 400),
    ("/bbox/9,49,9,49.png", 400),
    ("/bbox/10,50,9,49.png", 400),
    ("/bbox/9.1,49.2,9.2,49.3/5000x5000.png", 400),
    ("/point/0,0", 404),
    ("/point/9999,0", 400),
    ("/point/x,y", 400),
    ("/statistics?expression=b1*0%2B1e20", 400),
    ("/statistics?histogram_bins=0", 400),
    ("/statistics?histogram_bins=100000", 400),
    ("/statistics?max_size=0", 400),
    ("/statistics?p=200", 400),
    ("/WebMercatorQuad/tilejson.json?minzoom=-1", 400),
    ("/WebMercatorQuad/tilejson.json?tilesize=0", 400),
    ("/nope", 404),
]


@pytest.mark.parametrize(("path", "status"), WRONG, ids=[path[:60] for path, _ in WRONG])
def test_what_cannot_be_asked_is_refused_with_a_reason(service, path, status):
    answer = service.get(HILLS + path)
    assert answer.status_code == status, answer.text[:300]
    assert answer.json()["reason"] and answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


PIECES = "/api/data/pieces/picture/v1"
SAID = [
    (PIECES, "expression=b9", "expression: this raster has one band, b1"),
    (HILLS, "expression=b9", "expression: this raster has the bands b1 to b2"),
    (PIECES, "bidx=2", "bidx: this raster has one band, 1"),
    (HILLS, "rescale=foo", "rescale: low,high, such as 0,255: two numbers, the lower first"),
    (HILLS, "colormap_name=Viridsi", "colormap_name: there is no Viridsi. Perhaps viridis, "),
    (PIECES, "colormap_name=%23", "colormap_name: there is no #. Perhaps viridis, terrain, gray? All are listed in https://data.example.org/geo/api"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "query", "said"), SAID, ids=[f"{base[10:14]}-{query}" for base, query, _ in SAID])
def test_a_refusal_says_what_there_is(service, base, query, said):
    assert service.get(f"{base}/preview.png?{query}").json()["detail"].startswith(said)


def test_colour_maps_are_listed_where_the_refusal_says(service):
    assert '"gist_earth_r"' in service.get(f"{HILLS}/api").text


def test_one_value_so_large_that_there_is_no_range_is_shown_without_one():
    details = {"rendering": {"bands": [1], "rescale": [[1e20, 1e20]], "colormap": "viridis"}}
    assert completed("/preview.png", b"", details) == b"bidx=1&colormap_name=viridis"


@pytest.mark.parametrize("shape", [
    {"type": "Polygon", "coordinates": []},
    {"type": "Polygon", "coordinates": [[[9, 49], [9, 49], [9, 49], [9, 49]]]},
    {"type": "Point", "coordinates": [9, 49]},
    None,
])  # fmt: skip
def test_shapes_that_hold_nothing_are_refused(service, shape):
    import requests

    for path in ("/feature.png", "/statistics"):
        answer = requests.post(service.url + HILLS + path, json={"type": "Feature", "properties": {}, "geometry": shape}, timeout=30)
        assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text[:300])


def test_a_file_that_is_gone_is_no_failure_of_the_server(service, files: Path):
    path = files / "3/30/1-1.tif"
    os.rename(path, path.with_suffix(".away"))
    try:
        for asked in ("/preview.png", "/data.tif", "/info"):
            answer = service.get(HILLS + asked)
            assert (answer.status_code, answer.json()["reason"]) == (404, "DATASET_WITHDRAWN")
    finally:
        os.rename(path.with_suffix(".away"), path)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:300])
    try:
        answer = service.get(HILLS + "/preview.png?max_size=77")
        assert (answer.status_code, answer.json()["reason"]) == (503, "RASTER_UNAVAILABLE")
    finally:
        path.write_bytes(whole)
    assert service.get(HILLS + "/preview.png?max_size=78").status_code == 200


def square(west: float, size: float) -> dict:
    ring = [[west, 49.2], [west + size, 49.2], [west + size, 49.2 + size], [west, 49.2 + size], [west, 49.2]]
    return {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.mark.parametrize("base", [HILLS, "/api/data/pieces/picture/v1"])
def test_features_are_not_more_than_can_be_read(service, base):
    import requests

    def ask(size: float, count: int, query: str = "") -> int:
        body = {"type": "FeatureCollection", "features": [square(9.2, size)] * count}
        return requests.post(f"{service.url}{base}/statistics{query}", json=body, timeout=60).status_code

    # Many that are small, and some that are large, but not many that are large.
    assert ask(0.001, 100) in (200, 404)
    assert ask(40, 100) == 400 and ask(40, 100, "?max_size=2000") == 400
    assert ask(40, 20, "?max_size=200") in (200, 404)


def test_head_of_a_large_file_reads_none_of_it(service, files: Path):
    import requests

    answer = requests.head(service.url + HILLS + "/data.tif", timeout=30)
    assert answer.status_code == 200 and not answer.content
    assert int(answer.headers["content-length"]) == (files / "3/30/1-1.tif").stat().st_size
    assert answer.headers["accept-ranges"] == "bytes"


def test_lists_of_tile_sets_are_json_for_browsers_too(service):
    for path in ("/tiles", "/tiles/WebMercatorQuad"):
        for asked in ({"headers": {"Accept": "text/html"}}, {"params": {"f": "html"}}):
            answer = service.get(HILLS + path, **asked)
            assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")


def test_links_are_public(service):
    page = service.json(HILLS + "/")
    assert page["title"] == "Hills <i>of</i> nowhere"
    assert all(link["href"].startswith("https://data.example.org/geo/") for link in page["links"])
    assert service.json(HILLS + "/WebMercatorQuad/tilejson.json")["tiles"][0].startswith("https://data.example.org/geo" + HILLS)
    document = service.json("/openapi.json")
    assert "/api/data/{dataset_id}/{resource_id}/{version_id}/point/{lon},{lat}" in document["paths"]
    assert "/api/data/{dataset_id}/{resource_id}/{version_id}/collections/{collectionId}/items" in document["paths"]


def test_the_page_escapes_what_people_write(local):
    page = local.get(HILLS + "/", headers={"Accept": "text/html"})
    assert page.status_code == 200 and "Hills &lt;i&gt;of&lt;/i&gt; nowhere" in page.text
