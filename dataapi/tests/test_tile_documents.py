"""What is told of map tiles, WMTS capabilities and OGC API's tile sets: in the dataset's words, and as programs read it."""

from xml.etree import ElementTree

import pytest
from owslib.wmts import WebMapTileService
from terrane_dataapi.capabilities import _layer, _text
from terrane_dataapi.registry import Name, Route

HILLS, PIECES = "/api/data/hills/heights/v1", "/api/data/pieces/picture/v1"
OWS = "{http://www.opengis.net/ows/1.1}"
DATASETS = pytest.mark.parametrize(
    ("base", "title", "layer"),
    [(HILLS, "Hills <i>of</i> nowhere", "hills:heights:v1"), (PIECES, "Pieces", "pieces:picture:v1")],
    ids=["raster", "mosaic"],
)


@DATASETS
def test_capabilities_are_the_datasets(service, base, title, layer):
    text = service.get(f"{base}/WMTSCapabilities.xml").text
    service_title = ElementTree.fromstring(text).findtext(f"{OWS}ServiceIdentification/{OWS}Title")
    assert service_title == title
    for foreign in ("titiler", "developmentseed", "/files/", ".tif"):
        assert foreign not in text.lower(), foreign


@DATASETS
def test_owslib_reads_them(local, base, title, layer):
    read = WebMapTileService(f"{local.url}{base}/WMTSCapabilities.xml")
    assert (read.identification.title, read.provider.name, read.provider.url) == (title, "Terrane", local.url + "/")
    assert {name: one.title for name, one in read.contents.items()} == {
        f"{layer}:WebMercatorQuad": title, f"{layer}:WorldCRS84Quad": f"{title} (WorldCRS84Quad)",
    }  # fmt: skip
    place = {"tilematrixset": "WebMercatorQuad", "tilematrix": "0", "row": 0, "column": 0}
    assert read.gettile(layer=f"{layer}:WebMercatorQuad", **place, format="image/png").read().startswith(b"\x89PNG")


def test_description_attribution_and_licence_are_told(service, admin):
    change = "UPDATE serving.routes SET description = %s, attribution = %s, license = %s WHERE dataset_pk = 3"
    admin.execute(change, ('Every "hill" & more', "© <Someone>", "CC0-1.0"))
    try:
        document = ElementTree.fromstring(service.get(f"{HILLS}/WMTSCapabilities.xml").content)
    finally:
        admin.execute(change, ("", "", ""))
    assert {one.text for one in document.iter(f"{OWS}Abstract")} == {'Every "hill" & more'}
    assert document.findtext(f"{OWS}ServiceProvider/{OWS}ProviderName") == "© <Someone>"
    assert document.findtext(f"{OWS}ServiceIdentification/{OWS}AccessConstraints") == "CC0-1.0"


def test_a_layer_of_a_namespace_is_called_by_it():
    named = Name("survey-2", "field.work", "site_A", "2025-01")
    route = Route(named, 1, 1, "raster", False, "T", "", "", "", None, None, None, None)
    layer = _layer(route, {"tms_identifier": "WebMercatorQuad", "bbox": (0, 0, 1, 1)})
    assert layer["identifier"] == "survey-2:field.work:site_A:2025-01:WebMercatorQuad"
    # What XML cannot hold does not spoil the document.
    assert _text("a\x0bb\ud800\nc") == "ab\nc"


@DATASETS
def test_what_the_query_says_goes_into_the_tiles(service, base, title, layer):
    text = service.get(f"{base}/WMTSCapabilities.xml?bidx=1&rescale=0,9").text
    assert "{TileRow}.png?bidx=1&amp;rescale=0%2C9" in text
    assert '{TileRow}.png"' in service.get(f"{base}/WMTSCapabilities.xml").text


@DATASETS
@pytest.mark.parametrize("query", ["", "?f=json", "?f=html"])
def test_a_tile_sets_links_are_templates(service, base, title, layer, query):
    listed = service.json(f"{base}/tiles{query}")["tilesets"]
    for name, told in zip(("WebMercatorQuad", "WorldCRS84Quad"), listed, strict=True):
        alone = service.json(f"{base}/tiles/{name}{query}")
        for one in (told, alone):
            assert one["title"] == f"{title} ({name})"
            assert one["tileMatrixSetURI"].endswith(f"/{name}")
            [tile] = [link for link in one["links"] if link["rel"] == "tile"]
            assert tile["href"].endswith(f"{base}/tiles/{name}/{{z}}/{{x}}/{{y}}") and tile["templated"] is True
    [tile] = [link for link in service.json(f"{base}/tiles/WebMercatorQuad?bidx=1&minzoom=2")["links"] if link["rel"] == "tile"]
    assert tile["href"].endswith("{y}?bidx=1")
