"""The clients people use: a vector tile decoder and pystac-client."""

import math
import warnings
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import pystac
import pystac_client
import rasterio
import requests
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension


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
    found = _search(public_url, f"{name['namespace']}:{name['dataset_id']}:{name['resource_id']}", ids=[name["version_id"]])
    assert len(found) <= 1, found
    return found[0] if found else None


def stac_scenes(public_url: str, record: dict) -> dict[str, pystac.Item]:
    """The items of a mosaic's scenes, searched for in its collection, by their ids."""
    name = record["name"]
    parts = (name["namespace"], name["dataset_id"], name["resource_id"], name["version_id"])
    return {item.id: item for item in _search(public_url, ":".join(parts))}


def check_item(item: pystac.Item, file: Path) -> None:
    """It is valid by STAC's own schema, and the extensions' classes read of it what the file is."""
    pystac.Item.from_dict({**item.to_dict(include_self_link=False), "stac_extensions": []}).validate()
    with rasterio.open(file) as written:
        projection = ProjectionExtension.ext(item)
        code = written.crs.to_epsg()
        assert projection.code == (f"EPSG:{code}" if code else None), f"{item.id}: {projection.code} is not EPSG:{code}"
        assert projection.shape == list(written.shape), f"{item.id}: shape {projection.shape}"
        for told, there in ((projection.transform, list(written.transform)[:6]), (projection.bbox, list(written.bounds))):
            np.testing.assert_allclose(told, there, rtol=1e-6, atol=1e-12, err_msg=item.id)
        data = item.assets["data"]
        assert FileExtension.ext(data).size == file.stat().st_size, f"{item.id}: file:size"
        types = [str(band.data_type) for band in RasterExtension.ext(data).bands or []]
        assert types == list(written.dtypes), f"{item.id}: bands of {types}"


def _search(public_url: str, collection: str, **more: Any) -> list[pystac.Item]:
    with warnings.catch_warnings():
        # "does not conform to SORT": the server advertises a newer class than the client knows.
        warnings.simplefilter("ignore")
        client = pystac_client.Client.open(public_url + "/stac")
        return list(client.search(collections=[collection], **more).items())
