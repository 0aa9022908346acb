"""A picture of many scenes takes what it may, and no more; a mosaic that was away comes back."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import samples
from conftest import Service
from rio_tiler.mosaic.methods import PixelSelectionMethod
from terrane_dataapi import scene_work
from terrane_dataapi.mosaic import Mosaic
from terrane_dataapi.problems import Problem
from terrane_dataapi.registry import Scene
from terrane_dataapi.scene_work import MOST_KEPT, MOST_READ, SceneWork

STACK = ("default", "stack", "picture", "v1", 920, 1)
URL = "/api/data/stack/picture/v1"
SCENES = 12
METHODS = {method.name: method.value for method in PixelSelectionMethod}


def refuses(work: SceneWork, method: str, scenes: int, pixels: int, bands: int = 1) -> bool:
    try:
        work.add(METHODS[method], scenes, pixels, bands)
    except Problem as problem:
        assert problem.status == 400 and f"{scenes} scenes" in problem.message
        return True
    return False


def test_methods_that_keep_every_scene_are_told_from_those_that_keep_one():
    keeping = {name for name, method in METHODS.items() if "stack" in method.__dataclass_fields__}
    assert keeping == {"mean", "median", "stdev", "count"}
    assert keeping.isdisjoint(method.name for method in PixelSelectionMethod if method.value in scene_work._KEEPS_ONE)


@pytest.mark.parametrize("method", ["mean", "median", "stdev", "count"])
def test_what_is_kept_at_once_has_an_end(method):
    assert not refuses(SceneWork(), method, 10, MOST_KEPT // 10)
    assert refuses(SceneWork(), method, 11, MOST_KEPT // 10)
    assert refuses(SceneWork(), method, 10, MOST_KEPT // 20, bands=3)


@pytest.mark.parametrize("method", ["highest", "lowest", "lastbandlow", "lastbandhigh"])
def test_what_is_read_has_an_end_far_from_usual_maps(method):
    assert not refuses(SceneWork(), method, 1000, 512 * 512, bands=4)
    assert refuses(SceneWork(), method, 1000, 2048 * 2048)


def test_what_is_read_is_counted_over_all_features_of_a_request():
    work = SceneWork()
    assert not refuses(work, "highest", 2, MOST_READ // 4) and not refuses(work, "highest", 2, MOST_READ // 4)
    assert refuses(work, "highest", 2, MOST_READ // 4)


def test_the_first_scene_and_a_single_one_are_never_refused():
    assert not refuses(SceneWork(), "first", 1000, 2048 * 2048, bands=16)
    assert not refuses(SceneWork(), "median", 1, 2048 * 2048, bands=16)


@pytest.fixture(scope="module")
def stack(cluster, published, files: Path) -> Iterator[None]:
    """Twelve scenes above each other, each of one value, the first of coarse pixels."""
    with cluster.connect() as admin:
        samples.route(admin, STACK, [], title="Stack")
        admin.execute("UPDATE serving.routes SET kind = 'mosaic', bbox = %s WHERE dataset_pk = %s", ([0.0, 0.0, 1.0, 1.0], STACK[4]))
        for position in range(SCENES):
            side = 1000 if position == 1 else 40
            pixels = np.full((side, side), position + 1, "uint8")
            samples.scene(admin, files, STACK, position, f"s{position}", pixels, (0.0, 1.0), 1 / side)
        yield
        samples.withdraw(admin, STACK)


def square(west: float = 0.05, size: float = 0.9) -> dict:
    ring = [[west, 0.05], [west + size, 0.05], [west + size, 0.05 + size], [west, 0.05 + size], [west, 0.05]]
    return {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.mark.parametrize("method", ["median", "mean", "stdev", "count"])
def test_the_largest_picture_is_not_made_of_all_scenes_at_once(service, stack, method):
    largest = f"{URL}/bbox/0.1,0.1,0.9,0.9/2048x2048.tif?pixel_selection={method}"
    answer = service.get(largest)
    assert answer.status_code == 400 and "12 scenes" in answer.json()["detail"], answer.text[:300]
    posted = requests.post(f"{service.url}{URL}/feature/2048x2048.tif?pixel_selection={method}", json=square(), timeout=60)
    assert posted.status_code == 400 and "12 scenes" in posted.json()["detail"]
    # A map's tiles, and a smaller picture, are made of all of them.
    for fine in (f"{URL}/tiles/WebMercatorQuad/9/256/255.tif?tilesize=512&", f"{URL}/bbox/0.1,0.1,0.9,0.9.tif?max_size=512&"):
        assert service.get(f"{fine}pixel_selection={method}").status_code == 200


def test_other_methods_make_the_largest_picture(service, stack):
    for method in ("first", "highest"):
        assert service.get(f"{URL}/bbox/0.1,0.1,0.9,0.9/2048x2048.png?pixel_selection={method}").status_code == 200


def test_bands_count_as_often_as_they_are_asked_for(service, stack):
    picture = f"{URL}/bbox/0.1,0.1,0.9,0.9/1024x1024.tif?pixel_selection=median"
    assert service.get(picture).status_code == 200
    assert service.get(f"{picture}&bidx=1&bidx=1&bidx=1&bidx=1").status_code == 400
    assert service.get(f"{picture}&expression=b1;b1;b1;b1").status_code == 400


def test_pixels_of_features_are_those_of_the_finest_scene(service, stack):
    """All but one of the scenes, the first among them, have pixels 25 times as large."""

    def ask(count: int) -> requests.Response:
        body = {"type": "FeatureCollection", "features": [square()] * count}
        return requests.post(f"{service.url}{URL}/statistics?pixel_selection=first", json=body, timeout=60)

    assert ask(2).status_code == 200
    answer = ask(100)
    assert answer.status_code == 400 and "too many pixels" in answer.json()["detail"]


def test_only_scenes_that_are_touched_say_how_fine_pixels_are():
    fine, coarse = Scene("fine", "", 1, [0.0, 0.0, 1.0, 1.0], None, 1000, 500), Scene("coarse", "", 1, [5.0, 0.0, 6.0, 1.0], None, 10, 10)
    mosaic = Mosaic(((fine, ""), (coarse, "")), None, (0, 0, 6, 1))
    assert mosaic.pixel(0.2, 0.2, 5.5, 0.5) == (0.001, 0.002)
    assert mosaic.pixel(5.2, 0.2, 5.5, 0.5) == (0.1, 0.1)
    assert mosaic.pixel(2, 0.2, 3, 0.5) is None


def test_a_mosaic_that_was_away_is_served_again(service: Service, admin, stack):
    """Deleted and undeleted it is the same build."""
    columns = "dataset_pk, build, raster_id, position, title, file, bytes, bbox, details, role, item"
    of = (STACK[4], STACK[5] + 1)
    moved = f"INSERT INTO serving.rasters ({columns}) SELECT %s, %s, {columns.split(', ', 2)[2]} FROM serving.rasters WHERE dataset_pk = %s AND build = %s"
    again = (*STACK[:2], "again", "v1", *of)
    samples.route(admin, again, [], title="Again")
    admin.execute("UPDATE serving.routes SET kind = 'mosaic', bbox = %s WHERE build = %s AND dataset_pk = %s", ([0.0, 0.0, 1.0, 1.0], of[1], of[0]))
    try:
        told = service.get("/api/data/stack/again/v1/info")
        assert (told.status_code, told.json()["reason"]) == (404, "DATASET_WITHDRAWN")
        admin.execute(moved, (*of, *STACK[4:]))
        assert service.json("/api/data/stack/again/v1/info")["scenes"] == SCENES
    finally:
        samples.withdraw(admin, again)
