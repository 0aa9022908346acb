"""Pages for people: they work with no network but this server, and escape what the data says."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from terrane_dataapi import colours, pages

PLACES = "/api/data/places/cities/v1.0"
MIXED = "/api/data/@survey-2/field.work/site_A/2025-01"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES = [
    "/", "/?q=nothing-at-all", "/docs", "/stac/api.html", "/nope", "/api/data/no/such/set/",
    *(PLACES + rest for rest in (
        "/", "/collections", "/collections/cities", "/collections/cities/items", "/collections/cities/items?offset=10&limit=5",
        "/collections/cities/items?offset=99999", "/collections/cities/items/1", "/collections/cities/queryables",
        "/collections/cities/tiles", "/collections/cities/tiles/WebMercatorQuad", "/conformance", "/tileMatrixSets",
        "/tileMatrixSets/WebMercatorQuad", "/api.html", "/nope", "/collections/cities/items?limit=x")),
    *(MIXED + rest for rest in ("/", "/collections/notes", "/collections/notes/items", "/collections/notes/items/1", "/collections/zones")),
]  # fmt: skip


class Page(HTMLParser):
    """What a page loads, where it leads, and its scripts and styles that are not files."""

    def __init__(self, text: str):
        super().__init__()
        self.loaded, self.links, self.inline, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loaded.append(given["src"])
        elif tag == "script" or tag == "style" or "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(self.get_starttag_text())
        if tag == "link":
            self.loaded.append(given["href"])
        if tag in ("a", "form"):
            self.links.append(given.get("href") or given.get("action"))


@pytest.fixture(scope="module")
def status(local):
    """The status of a page or asset, asked once."""
    known: dict[str, int] = {}

    def ask(url: str) -> int:
        if url not in known:
            known[url] = local.get(url, headers=BROWSER).status_code
        return known[url]

    return ask


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_from_elsewhere(local, status, path):
    answer = local.get(path, headers=BROWSER)
    assert answer.headers["content-type"].startswith("text/html"), answer.text[:200]
    page = Page(answer.text)
    assert page.inline == []
    for url in page.loaded:
        assert not urlsplit(url).netloc, url
        assert status(urljoin(path, url)) == 200, url
    for url in page.links:
        assert not urlsplit(url).netloc, url
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy


def test_the_links_of_the_pages_work(local, status):
    for path in (
        "/",
        f"{PLACES}/",
        f"{MIXED}/",
        f"{PLACES}/collections/cities",
        f"{PLACES}/collections/cities/items?limit=3&offset=3",
    ):
        for url in Page(local.get(path, headers=BROWSER).text).links:
            assert status(urljoin(path, url)) == 200, (path, url)


def test_what_the_data_says_is_text(local):
    landing = local.get(f"{PLACES}/", headers=BROWSER).text
    assert "Cities &lt;b&gt;of&lt;/b&gt; the world" in landing and "<b>" not in landing and "<i>" not in landing
    for path in (f"{PLACES}/collections/cities/items", f"{PLACES}/collections/cities/items/1"):
        page = local.get(path, headers=BROWSER).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script>alert" not in page
    assert "<svg" not in local.get("/?q=<svg onload=x>", headers=BROWSER).text


def test_the_landing_page_tells_what_there_is(service):
    page = service.get(f"{MIXED}/", headers=BROWSER).text
    assert "75 features" in page and "3 collections" in page
    assert "https://data.example.org/geo" + MIXED in page
    assert 'data-map="' in page
    assert "data-map" not in service.get(f"{MIXED}/collections/notes", headers=BROWSER).text


def test_the_index_finds_datasets(service):
    everything = service.json("/")
    assert everything["numberMatched"] == 4
    assert [d["dataset_id"] for d in service.json("/?q=CITIES")["datasets"]] == ["places"]
    assert service.json("/?q=%25")["datasets"] == []
    assert [d["href"] for d in service.json("/?q=field")["datasets"]] == ["https://data.example.org/geo" + MIXED]


def test_scripts_and_styles_fetch_nothing_from_elsewhere(local):
    for name in ("map.js", "page.js", "docs.js", "site.css"):
        text = local.get(f"/static/{name}").text
        assert not re.search(r"https?://|@import|url\(\s*['\"]?//", text), name
    assert local.get("/static/..%2f__main__.py").status_code == 404


def test_every_response_forbids_other_origins(service):
    for path in ("/", f"{PLACES}/", "/stac/", "/nope", f"{PLACES}/collections/cities/items?limit=x"):
        headers = service.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_the_documentation_covers_datasets_and_server(service):
    document = service.json("/openapi.json")
    assert document["servers"] == [{"url": "https://data.example.org/geo"}]
    assert "/api/data/{dataset_id}/{resource_id}/{version_id}/collections/{collectionId}/items" in document["paths"]
    assert "/healthz" in document["paths"]


def test_head_is_get_without_its_body(service):
    import requests

    for path in ("/", f"{PLACES}/", f"{PLACES}/collections/cities/items"):
        head = requests.head(service.url + path, timeout=30)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == service.get(path).headers["content-length"]


def bands_of(page: str) -> list[list[str]]:
    """The cells of a page's table of bands."""
    table = page.partition("<h2>Bands</h2>")[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], re.S)
    return [[re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in rows]


HILLS, PIECES = "/api/data/hills/heights/v1", "/api/data/pieces/picture/v1"


def test_a_rasters_page_has_its_bands(local):
    assert bands_of(local.get(f"{HILLS}/", headers=BROWSER).text) == [
        ["1", "gray", "uint16", "0", "998", "499", ""], ["2", "undefined", "uint16", "0", "998", "499", ""],
    ]  # fmt: skip


def test_a_mosaics_page_has_the_bands_of_which_all_scenes_say_the_same(local, admin):
    def change(positions: str, band: dict) -> None:
        admin.execute(
            "UPDATE serving.rasters SET details = jsonb_set(details::jsonb, '{raster,bands,0}', details::jsonb#>'{raster,bands,0}' || %s)::json"
            f" WHERE dataset_pk = 4 AND position IN ({positions}) AND role IS NULL",
            (json.dumps(band),),
        )

    kept = admin.execute("SELECT position, details FROM serving.rasters WHERE dataset_pk = 4").fetchall()
    assert bands_of(local.get(f"{PIECES}/", headers=BROWSER).text) == [["1", "gray", "uint8", "", "", ""]]
    try:
        change("0, 1, 2, 3", {"nodata": "-3.4028234663852886e+38", "unit": "m", "description": "Height"})
        change("0", {"statistics": {"minimum": -7.123456789, "maximum": 5}})
        change("1, 2, 3", {"statistics": {"minimum": 1, "maximum": 12345678}})
        text = local.get(f"{PIECES}/?changed=1", headers=BROWSER).text
        assert bands_of(text) == [["1", "Height m", "uint8", "-7.12346", "12345678", "-3.40282e+38"]]
        assert 'title="-3.4028234663852886e+38"' in text and "Height" in text.partition("data-map")[2][:800]
        # Of what they do not agree in, or not all tell, nothing is said.
        change("2", {"nodata": None, "unit": "feet", "description": "", "statistics": None})
        assert bands_of(local.get(f"{PIECES}/?changed=2", headers=BROWSER).text) == [["1", "gray", "uint8", "", "", ""]]
    finally:
        for position, details in kept:
            admin.execute("UPDATE serving.rasters SET details = %s WHERE dataset_pk = 4 AND position = %s", (json.dumps(details), position))


def test_sizes_have_the_unit_that_shows_them(local):
    assert [pages._size(count) for count in (0, 999, 1024, 9_999, 5_000_000, 3 << 30)] == [
        "0 bytes", "999 bytes", "1.0 KiB", "9.8 KiB", "4.8 MiB", "3.0 GiB",
    ]  # fmt: skip
    assert local.get(f"{PIECES}/", headers=BROWSER).text.count(" KiB</td>") == 4


def test_a_band_is_called_by_what_is_known_of_it():
    called = {("Height", "gray"): "Height", ("", "red"): "red", ("", "gray"): "Band 3", ("", "undefined"): "Band 3", (None, None): "Band 3"}
    for (description, colour), name in called.items():
        assert pages._band_name({"description": description, "colour": colour}, 3) == name


def test_a_map_has_a_legend_where_colours_stand_for_values():
    band = {"unit": "m"}
    details = {"raster": {"kind": "elevation", "bands": [band]}, "rendering": {"bands": [1], "rescale": [[0, 9.5]], "colormap": "gray"}}
    told = colours.legend(details)
    assert (told["low"], told["high"], told["unit"], told["colours"][0], told["colours"][-1]) == (0, 9.5, "m", "#000000", "#ffffff")
    for rendering in ({"bands": [1, 1, 1]}, {"rescale": None}, {"rescale": [[5, 5]]}):
        assert colours.legend({**details, "rendering": {**details["rendering"], **rendering}}) is None
    assert colours.legend({**details, "raster": {"kind": "categorical", "bands": [band]}}) is None
