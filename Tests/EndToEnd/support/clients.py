"""The clients people use: a vector tile decoder and pystac-client."""

import math
import warnings

import mapbox_vector_tile
import pystac
import pystac_client
import requests


def tile_at(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """Column and row of the tile of WebMercatorQuad that holds a place."""
    side = 2**zoom
    latitude = max(-85.05, min(85.05, latitude))
    x = int((longitude + 180) / 360 * side)
    y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * side)
    return min(max(x, 0), side - 1), min(max(y, 0), side - 1)


def decoded_tile(tiles_url: str, zoom: int, column: int, row: int) -> list[dict]:
    """The features of a tile, whatever their layer."""
    url = tiles_url.replace("{z}", str(zoom)).replace("{x}", str(column)).replace("{y}", str(row))
    answer = requests.get(url, timeout=60)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:300]}"
    assert "mapbox-vector-tile" in answer.headers["content-type"] or "mvt" in answer.headers["content-type"], answer.headers
    if not answer.content:
        return []
    return [feature for layer in mapbox_vector_tile.decode(answer.content).values() for feature in layer["features"]]


def stac_item(public_url: str, record: dict) -> pystac.Item | None:
    """The dataset's item, searched for as a STAC user would; None: it is not there."""
    name = record["name"]
    with warnings.catch_warnings():
        # "does not conform to SORT": the server advertises a newer class than the client knows.
        warnings.simplefilter("ignore")
        client = pystac_client.Client.open(public_url + "/stac")
        collection = f"{name['namespace']}:{name['dataset_id']}:{name['resource_id']}"
        found = list(client.search(collections=[collection], ids=[name["version_id"]]).items())
    assert len(found) <= 1, found
    return found[0] if found else None
