"""STAC, as pystac-client sees it."""

import warnings

import pystac
import pytest
import requests
from conftest import PUBLIC_URL
from pystac_client import Client

COLLECTION = "default:places:cities"


@pytest.fixture(scope="module")
def client(local):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Client.open(f"{local.url}/stac")


def test_pystac_client_finds_the_item(client):
    item = client.get_collection(COLLECTION).get_item("v1.0")
    assert item.properties["terrane:rows"] == 0
    assert {found.id for found in client.search(collections=[COLLECTION]).items()} == {"v1.0", "v0.9", "v0.8"}


def test_searches_page_and_filter(client):
    assert len(list(client.search(limit=1).items())) == 3
    assert {i.id for i in client.search(datetime="2025-02-01T00:00:00Z/..").items()} == {"v0.9", "v0.8"}
    found = client.search(filter={"op": ">", "args": [{"property": "terrane:rows"}, 50]}, filter_lang="cql2-json")
    assert {i.id for i in found.items()} == {"v0.9", "v0.8"}
    assert {i.id for i in client.search(method="GET", filter='"terrane:rows" > 150').items()} == {"v0.8"}
    assert len(list(client.search(bbox=[0, 0, 1, 1]).items())) == 3


def test_boxes_of_six_numbers_are_boxes_of_four(service):
    six, four = (service.json(f"/stac/search?bbox={box}")["features"] for box in ("0,0,-5,1,1,5", "0,0,1,1"))
    assert [f["id"] for f in six] == [f["id"] for f in four] != []
    posted = requests.post(f"{service.url}/stac/search", json={"bbox": [0, 0, -5, 1, 1, 5]}, timeout=30).json()
    assert len(posted["features"]) == 3


def test_what_is_served_is_valid_stac(client):
    catalog = pystac.Catalog.from_dict(client.to_dict(), preserve_dict=True)
    catalog.validate()
    client.get_collection(COLLECTION).validate()
    client.get_collection(COLLECTION).get_item("v1.0").validate()


def test_links_use_the_public_url(service):
    lies = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    for path in (
        "/stac/",
        "/stac/collections",
        f"/stac/collections/{COLLECTION}/items?limit=1",
        "/stac/search?limit=1",
    ):
        document = service.get(path, headers=lies).json()
        links = [link["href"] for part in (document, *document.get("features", [])) for link in part["links"]]
        assert links and all(href.startswith(f"{PUBLIC_URL}/stac") for href in links), links


def test_the_api_definition_is_what_the_landing_page_says_it_is(service, local):
    described = next(link for link in local.json("/stac/")["links"] if link["rel"] == "service-desc")
    document = requests.get(described["href"], timeout=30)
    assert document.headers["content-type"] == described["type"]
    assert "/stac/search" in document.json()["paths"]


def test_pgstac_settings_are_not_the_clients(service):
    answer = requests.post(
        f"{service.url}/stac/search", json={"conf": {"readonly": False, "context": "on"}}, timeout=30
    )
    assert answer.status_code == 200


def test_a_dataset_leads_to_its_item(local):
    links = local.json("/api/data/places/cities/v1.0/")["links"]
    href = next(link["href"] for link in links if link["rel"] == "describedby")
    assert requests.get(href, timeout=30).json()["id"] == "v1.0"
