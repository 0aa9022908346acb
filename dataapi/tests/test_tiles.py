"""Vector tiles."""

import mapbox_vector_tile
import pytest

PLACES = "/api/data/places/cities/v1.0"
MIXED = "/api/data/@survey-2/field.work/site_A/2025-01"
TILES = "/collections/{}/tiles/WebMercatorQuad"


def decoded(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    return mapbox_vector_tile.decode(response.content).get("default")


def test_a_tile_has_every_feature_with_its_attributes(service):
    layer = decoded(service.get(PLACES + TILES.format("cities") + "/0/0/0"))
    assert layer["extent"] == 4096
    assert {feature["properties"]["fid"] for feature in layer["features"]} == set(range(1, 1201))
    assert next(f["properties"]["name"] for f in layer["features"] if f["properties"]["fid"] == 3) == "Place 3"


def test_polygons_that_reach_the_pole_are_drawn(service):
    layer = decoded(service.get(MIXED + TILES.format("zones") + "/0/0/0"))
    assert len(layer["features"]) == 30


def test_a_filter_holds_for_tiles(service):
    url = PLACES + TILES.format("cities") + "/0/0/0?filter=rank=3"
    assert {f["properties"]["rank"] for f in decoded(service.get(url))["features"]} == {3}


def test_an_empty_tile_is_empty(service):
    response = service.get(MIXED + TILES.format("tracks") + "/5/0/0")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("tile", ["1/2/0", "0/0/1", "25/0/0", "3/0/9999999999999999999999"])
def test_a_tile_outside_the_matrix_is_not_found(service, tile):
    assert service.get(PLACES + TILES.format("cities") + "/" + tile).status_code == 404


def test_tilejson_leads_to_the_tiles(local):
    import requests

    described = local.json(PLACES + TILES.format("cities") + "/tilejson.json")
    assert described["bounds"] == [-170, -60, 170, 70]
    tile = described["tiles"][0].format(z=1, x=1, y=0)
    assert decoded(requests.get(tile, timeout=30))["features"]


def test_a_collection_without_geometry_has_no_tiles(service):
    for path in ("/0/0/0", "/tilejson.json", "/style.json", ""):
        response = service.get(MIXED + TILES.format("notes") + path)
        assert (response.status_code, response.json()["reason"]) == (404, "NO_GEOMETRY")


def test_an_unchanged_tile_is_not_sent_again(service):
    url = PLACES + TILES.format("cities") + "/0/0/0"
    first = service.get(url)
    assert first.headers["cache-control"] == "no-cache"
    again = service.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = service.get(url + "?filter=rank=3", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
