"""The pages in a browser: maps drawn, nothing asked of another machine, no complaint on the console.

TERRANE_SCREENSHOTS names a folder to leave pictures of the pages in.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support import browser
from support.browser import Visit
from support.server import Server

Open = Callable[..., AbstractContextManager[Callable[[str], Visit]]]
WINDOWS = {"desktop": {"width": 1200, "height": 900}, "phone": {"width": 390, "height": 844, "is_mobile": True, "has_touch": True}}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens pages in windows of a browser; at its end the whole browser has spoken to this machine only."""
    net_log = tmp_path_factory.mktemp("browser") / "net.json"
    with browser.chromium(net_log) as running:
        yield lambda **window: browser.visit(running, **window)
    addresses = browser.connected_to(net_log)
    assert addresses, "the browser's log has no connection at all: is it read rightly?"
    assert [address for address in addresses if not browser.is_here(f"tcp://{address}")] == []


@pytest.fixture(scope="module")
def world(server: Server, sources: Path) -> dict:
    return server.ready(
        "pages/countries/v1", sources / "world.gpkg", "--title", "Countries of the world", "--attribution", "spData", "--license", "CC0-1.0"
    )


@pytest.fixture(scope="module")
def bikes(server: Server, sources: Path) -> dict:
    """Points, in one town."""
    return server.ready("pages/bikes/v1", sources / "cycle_hire.geojson", "--title", "Cycle hire")


def picture(visit: Visit, name: str, whole: bool = True) -> None:
    if folder := os.environ.get("TERRANE_SCREENSHOTS"):
        visit.page.screenshot(path=f"{folder}/{name}.png", full_page=whole)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_landing_page_draws_the_dataset(opened: Open, world: dict, window: str):
    with opened(**WINDOWS[window]) as go:
        visit = go(world["result"]["endpoint"] + "/").wait_for_map()
        picture(visit, f"landing-{window}")
        assert visit.drawn("world") >= (177 if window == "desktop" else 50)
        assert visit.colours() > 10
        assert visit.overflows() <= 0


def test_a_click_on_the_map_tells_what_is_there(opened: Open, world: dict):
    with opened() as go:
        visit = go(world["result"]["endpoint"] + "/").wait_for_map()
        # Somewhere in Australia.
        visit.page.locator("[data-map]").scroll_into_view_if_needed()
        x, y = visit.page.evaluate(
            """() => {
                const place = document.querySelector("[data-map]"), frame = place.getBoundingClientRect();
                const at = place.map.project([134, -25]);
                return [frame.x + at.x, frame.y + at.y];
            }"""
        )
        visit.page.mouse.click(x, y)
        popup = visit.page.locator(".popup")
        popup.wait_for(timeout=10_000)
        assert "Australia" in popup.inner_text()
        picture(visit, "popup", whole=False)
        popup.get_by_role("link").click()
        visit.page.wait_for_url("**/items/*")
        visit.wait_for_map()
        assert "Australia" in visit.page.locator("table.attributes").inner_text()
        assert visit.drawn("feature") > 0
        picture(visit, "item")


def test_points_are_drawn_in_the_dark_too(opened: Open, bikes: dict):
    with opened(color_scheme="dark") as go:
        visit = go(bikes["result"]["endpoint"] + "/").wait_for_map()
        picture(visit, "points-dark")
        assert visit.drawn("cycle_hire") > 100
        visit.page.emulate_media(color_scheme="light")
        visit.wait_for_idle()
        assert visit.drawn("cycle_hire") > 100


def test_the_other_pages_have_no_complaint(opened: Open, server: Server, world: dict, bikes: dict):
    endpoint, root = world["result"]["endpoint"], server.public_url
    pages = {
        "index": f"{root}/", "search": f"{root}/?q=hire", "nothing-found": f"{root}/?q=zzz", "docs": f"{root}/docs",
        "collections": f"{bikes['result']['endpoint']}/collections?f=html", "items": f"{endpoint}/collections/world/items?f=html",
        "item": f"{endpoint}/collections/world/items/1?f=html", "queryables": f"{endpoint}/collections/world/queryables?f=html",
        "tiles": f"{endpoint}/collections/world/tiles?f=html", "conformance": f"{endpoint}/conformance?f=html",
        "tile-matrix-set": f"{endpoint}/tileMatrixSets/WebMercatorQuad?f=html", "api": f"{endpoint}/api.html",
    }  # fmt: skip
    for window, size in WINDOWS.items():
        with opened(**size) as go:
            for name, url in pages.items():
                visit = go(url)
                if name == "item":
                    visit.wait_for_map()
                if name in ("docs", "api"):
                    visit.page.wait_for_selector(".opblock", timeout=60_000)
                picture(visit, f"{name}-{window}")
                assert visit.page.locator("h1, .info .title").first.inner_text()
                assert visit.overflows() <= 0, (name, window)
            visit = go(f"{endpoint}/collections/world?f=html").wait_for_map()
            picture(visit, f"collection-{window}")
            assert visit.drawn("world") > 0


def test_a_request_of_another_machine_is_noticed(opened: Open, world: dict):
    with pytest.raises(AssertionError, match="example"), opened() as go:
        visit = go(world["result"]["endpoint"] + "/")
        visit.page.evaluate("fetch('http://tiles.example/0.png').catch(() => {})")
    with pytest.raises(AssertionError, match="broken page"), opened() as go:
        visit = go(world["result"]["endpoint"] + "/")
        with visit.page.expect_event("pageerror"):
            visit.page.evaluate("setTimeout(() => { throw new Error('broken page') })")
