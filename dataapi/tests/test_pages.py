"""Pages for people: they work with no network but this server, and escape what the data says."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

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
