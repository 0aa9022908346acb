"""Pages of datasets with several collections, one of them without geometry, in a browser."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "Tests/EndToEnd"))
from support import browser  # noqa: E402

MIXED = "/api/data/@survey-2/field.work/site_A/2025-01"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    with browser.chromium(tmp_path_factory.mktemp("browser") / "net.json") as running:
        yield running


def test_layers_are_drawn_together_and_can_be_hidden(chromium, local):
    with browser.visit(chromium) as go:
        visit = go(f"{local.url}{MIXED}/").wait_for_map()
        layers = visit.page.locator(".legend label")
        assert layers.count() == 2, "the collection without geometry has no place on the map"
        assert visit.drawn("zones") > 0
        visit.page.get_by_label("Zones").uncheck()
        visit.wait_for_idle()
        assert visit.drawn("zones") == 0


@pytest.mark.parametrize("width", [1200, 390])
def test_a_collection_without_geometry_has_pages_without_a_map(chromium, local, width):
    with browser.visit(chromium, width=width) as go:
        for path in ("collections/notes", "collections/notes/items?f=html", "collections/notes/items/1?f=html"):
            visit = go(f"{local.url}{MIXED}/{path}")
            assert visit.page.locator("[data-map]").count() == 0
            assert visit.overflows() <= 0, path


@pytest.mark.parametrize("width", [1200, 390])
def test_a_raster_is_on_the_map_and_tells_its_values(chromium, local, width):
    with browser.visit(chromium, width=width) as go:
        visit = go(f"{local.url}/api/data/hills/heights/v1/").wait_for_map()
        assert visit.overflows() <= 0
        assert visit.colours() > 200, "it is drawn"
        box = visit.page.locator("[data-map]").bounding_box()
        visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        popup = visit.page.locator(".maplibregl-popup td")
        popup.first.wait_for(timeout=10_000)
        assert popup.count() == 2 and popup.first.inner_text().isdigit()
        assert visit.page.locator(".maplibregl-popup th").all_inner_texts() == ["Band 1", "Band 2"]
        assert visit.page.locator(".ramp span").all_inner_texts() == ["0", "998"]
        assert "linear-gradient" in visit.page.locator(".ramp i").evaluate("bar => getComputedStyle(bar).backgroundImage")
        scale = visit.page.locator(".maplibregl-ctrl-scale").evaluate("bar => getComputedStyle(bar).backgroundColor")
        assert scale == "rgb(255, 255, 255)", "it can be read over any picture"


def test_values_have_the_digits_that_people_read(chromium, local):
    told = {"values": [521.0982666015625, 4294967295], "band_names": ["b1", "b2"], "band_descriptions": ["", ""]}
    with browser.visit(chromium) as go:
        visit = go(f"{local.url}/api/data/hills/heights/v1/").wait_for_map()
        visit.page.route("**/point/*", lambda route: route.fulfill(json=told))
        box = visit.page.locator("[data-map]").bounding_box()
        visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        values = visit.page.locator(".maplibregl-popup td")
        values.first.wait_for(timeout=10_000)
        assert values.all_inner_texts() == ["521.0983", "4294967295"]


@pytest.mark.parametrize("width", [1200, 390])
def test_tables_stay_within_their_cards(chromium, local, width):
    with browser.visit(chromium, width=width) as go:
        for path in ("hills/heights/v1", "pieces/picture/v1"):
            visit = go(f"{local.url}/api/data/{path}/").wait_for_map()
            for panel in visit.page.locator(".panel").all():
                assert panel.evaluate("card => card.scrollWidth - card.clientWidth") <= 0, path
        rows = visit.page.locator(".scenes tbody tr").all()
        assert len(rows) == 4
        for row in rows:
            assert row.bounding_box()["height"] < 45, "a row has one line"
            link = row.locator("a").last.bounding_box()
            assert link["x"] + link["width"] <= width, "its links are in sight"


def test_a_mosaic_is_on_the_map_over_the_antimeridian_too(chromium, local):
    with browser.visit(chromium) as go:
        visit = go(f"{local.url}/api/data/pieces/picture/v1/").wait_for_map()
        assert visit.overflows() <= 0
        assert visit.page.get_by_role("link", name="far-west", exact=True).count() == 1
        box = visit.page.locator("[data-map]").bounding_box()
        at = visit.page.evaluate("() => document.querySelector('[data-map]').map.project([5, 5])")
        visit.page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])
        value = visit.page.locator(".maplibregl-popup td")
        value.first.wait_for(timeout=10_000)
        assert value.first.inner_text() == "40"
