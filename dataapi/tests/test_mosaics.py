"""Mosaics: which scenes a request reads, and what it is told."""

import io

import pytest
import rasterio
from terrane_dataapi import mosaic_json
from terrane_dataapi.mosaic import Mosaic
from terrane_dataapi.registry import Scene

PIECES = "/api/data/pieces/picture/v1"


def used(service, z: int, x: int, y: int) -> list[str]:
    return service.json(f"{PIECES}/tiles/WebMercatorQuad/{z}/{x}/{y}/assets")


def test_near_the_ground_scenes_are_read_and_from_afar_the_small_picture(service):
    assert used(service, 0, 0, 0) == ["overview"]
    assert used(service, 8, 131, 126) == ["east"]
    assert used(service, 8, 120, 126) == ["west"]
    assert used(service, 8, 255, 126) == ["far-east"]
    assert used(service, 8, 0, 126) == ["far-west"]
    assert used(service, 8, 60, 126) == []


@pytest.mark.parametrize(("tile", "value"), [("8/131/126", 40), ("8/120/126", 80), ("8/255/126", 120), ("8/0/126", 160)])
def test_a_tile_shows_its_scene(service, tile, value):
    answer = service.get(f"{PIECES}/tiles/WebMercatorQuad/{tile}.png")
    with rasterio.open(io.BytesIO(answer.content)) as picture:
        assert picture.read(1).max() == value


def test_where_no_scene_lies_a_tile_is_empty_and_a_point_is_not_found(service):
    assert service.get(f"{PIECES}/tiles/WebMercatorQuad/8/60/126.png").status_code == 204
    assert service.get(f"{PIECES}/point/-100,5").status_code == 404
    told = service.json(f"{PIECES}/point/5,5")["assets"]
    assert [(one["name"], one["values"]) for one in told] == [("east", [40])]


WRONG = [
    ("/scenes/nope", 404),
    ("/scenes/nope.tif", 404),
    ("/scenes/~overview.tif", 404),
    ("/scenes/..%2Fx.tif", 404),
    ("/tiles/WebMercatorQuad/25/0/0.png", 404),
    ("/preview.png?max_size=99999", 400),
    ("/preview.png?bidx=9", 400),
    ("/preview.gif", 400),
    ("/bbox/10,50,9,49.png", 400),
    ("/point/nan,0", 400),
    ("/tiles/WebMercatorQuad/8/131/126.png?pixel_selection=nope", 400),
    ("/tiles/WebMercatorQuad/8/131/126.png?expression=b7", 400),
]


@pytest.mark.parametrize(("path", "status"), WRONG, ids=[path for path, _ in WRONG])
def test_what_cannot_be_asked_is_refused_with_a_reason(service, path, status):
    answer = service.get(PIECES + path)
    assert answer.status_code == status, answer.text[:300]
    assert answer.json()["reason"]


def test_everything_that_is_linked_is_there(local):
    page = local.json(PIECES + "/")
    assert page["scenes"] == 4
    for link in page["links"]:
        if "/stac/" not in link["href"]:
            assert local.get(link["href"].removeprefix(local.url)).status_code == 200, link
    assert [scene["id"] for scene in local.json(PIECES + "/scenes")["scenes"]] == ["east", "west", "far-east", "far-west"]
    assert local.json(PIECES + "/scenes/west")["id"] == "west"
    assert local.get(PIECES + "/?f=html").status_code == 200


def test_mosaic_json_has_each_scene_where_it_lies():
    scenes = [
        (Scene("a", "a.tif", 1, [-10.0, -10.0, 10.0, 10.0], None, 10, 10), "u/a"),
        (Scene("b", "b.tif", 1, [179.0, 0.1, -179.0, 10.0], None, 10, 10), "u/b"),
    ]
    told = mosaic_json.of("name", scenes, 1, 5)
    assert told["tiles"] == {"0": ["u/a", "u/b"], "1": ["u/a", "u/b"], "2": ["u/a"], "3": ["u/a"]}
    assert told["bounds"] == [-180, -10, 180, 10] and told["quadkey_zoom"] == 1 and told["maxzoom"] == 5
    # An index stays readable, however fine the pixels are.
    assert len(mosaic_json.of("name", scenes, 20, 22)["tiles"]) <= 20_000


def test_the_finest_scene_has_the_smallest_pixels_also_beside_one_across_the_antimeridian():
    boxes = {"large": ([0.0, 0.0, 10.0, 10.0], 1000), "small": ([0.0, 0.0, 1.0, 1.0], 400), "over": ([179.0, 0.0, -179.0, 1.0], 400)}
    scenes = tuple((Scene(name, "", 1, box, None, width, width), name) for name, (box, width) in boxes.items())
    assert Mosaic(scenes, None, (-180, 0, 180, 10)).finest == "small"
    assert Mosaic((scenes[0], scenes[2]), None, (-180, 0, 180, 10)).finest == "over"
