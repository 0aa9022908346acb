"""What others' tools say of the data API: requests that nobody thought of, and the STAC API's own validator.

TERRANE_FUZZ_SECONDS is how long each family of URLs is asked. Without it: 15, and the same requests each time, so that whoever
changed something else is not told of what was there before. `make standards` takes 90, and invents others each time.
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import rasters, samples
from support.server import Server

SECONDS = int(os.environ.get("TERRANE_FUZZ_SECONDS", "15"))
REPEATABLE = [] if "TERRANE_FUZZ_SECONDS" in os.environ else ["--generation-deterministic"]
VECTOR = "/api/data/standards/places/v1"
RASTER = "/api/data/standards/heights/v1"
MOSAIC = "/api/data/standards/pieces/v1"


@pytest.fixture(scope="module")
def served(server: Server, sources: Path) -> Server:
    """Two datasets of vectors, the second of two layers, a raster and a mosaic; none further north than a box around it may be."""
    places = samples.geojson(sources / "standards.geojson", samples.places(170))
    server.ready("standards/places/v1", places)
    layered = sources / "standards.gpkg"
    samples.ogr2ogr("-f", "GPKG", "-nln", "first", layered, places)
    samples.ogr2ogr("-update", "-nln", "second", layered, places)
    samples.readable(layered)
    server.ready("standards/layered/v1", layered)
    pieces = sources / "standards-pieces"
    pieces.mkdir()
    pieces.chmod(0o755)
    for number in range(2):
        place = rasters.from_origin(500_000 + number * 5_000, 5_500_000, 10, 10)
        rasters.write(pieces / f"p{number}.tif", rasters.heights(500), units="m", transform=place)
    server.ready("standards/pieces/v1", f"{pieces}/*.tif")
    server.ready("standards/heights/v1", rasters.write(sources / "standards.tif", rasters.heights(1200), units="m"))
    return server


def document(server: Server, path: str, under: str, known: dict[str, str]) -> dict:
    """An OpenAPI document with what there is in its paths: invented names only lead to 404."""
    described = server.get(path).json()
    paths = {}
    for template, operations in described["paths"].items():
        operations = copy.deepcopy(operations)
        for operation in operations.values():
            asked = operation.get("parameters", [])
            operation["parameters"] = [one for one in asked if one["in"] != "path" or one["name"] not in known]
        for name, value in known.items():
            template = template.replace(f"{{{name}}}", value)
        paths[template] = operations
    return {**described, "paths": paths, "servers": [{"url": server.public_url + under}]}


@pytest.mark.parametrize("family", ["vector", "raster", "mosaic", "stac"])
def test_no_request_makes_the_data_api_fail(served: Server, tmp_path: Path, family: str):
    if family == "vector":
        known = {"collectionId": "standards", "itemId": "7", "tileMatrixSetId": "WebMercatorQuad"}
        described = document(served, f"{VECTOR}/api", VECTOR, known)
    elif family == "raster":
        box = {"minx": "9.01", "miny": "49.6", "maxx": "9.05", "maxy": "49.64", "lon": "9.03", "lat": "49.62"}
        described = document(served, f"{RASTER}/api", RASTER, {"tileMatrixSetId": "WebMercatorQuad", **box})
    elif family == "mosaic":
        box = {"minx": "9.01", "miny": "49.6", "maxx": "9.05", "maxy": "49.64", "lon": "9.03", "lat": "49.62"}
        described = document(served, f"{MOSAIC}/api", MOSAIC, {"tileMatrixSetId": "WebMercatorQuad", "scene": "p1", **box})
    else:
        known = {"collection_id": "default:standards:places", "item_id": "v1"}
        described = document(served, "/stac/api", "", known)
    assert len(described["paths"]) >= 10
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    done = subprocess.run(
        [Path(sys.executable).parent / "st", "run", "openapi.json", "-u", described["servers"][0]["url"], "-n", "20",
         "--phases", "examples,coverage,fuzzing", "--checks", "not_a_server_error", "--max-time", str(SECONDS),
         "--request-timeout", "30", "--continue-on-failure", "--no-shrink", "--no-color", *REPEATABLE],
        cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS * 3 + 120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    [(cases, passed)] = re.findall(r"^ *(\d+) generated, (\d+) passed", done.stdout, re.MULTILINE)
    assert int(cases) > 100 and cases == passed, done.stdout[-2000:]
    print(f"{family}: {cases} requests in {SECONDS} s")


def test_the_validator_of_stac_apis_finds_no_error(served: Server):
    around = [[[-5, -5], [60, -5], [60, 5], [-5, 5], [-5, -5]]]
    classes = ("core", "collections", "features", "item-search", "filter")
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / "support/validate_stac_api.py", "--root-url", f"{served.public_url}/stac/",
         *(word for name in classes for word in ("--conformance", name)), "--collection", "default:standards:places",
         "--geometry", json.dumps({"type": "Polygon", "coordinates": around})],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    # It ends with 0, too, where it fell over itself.
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Errors: none" in said, said[-4000:]


def test_tls_is_what_mozilla_calls_modern(server: Server) -> None:
    """TLS 1.3 only, with a client's certificate, and a certificate of our own authority that does not live long."""
    command = [
        str(Path(sys.executable).with_name("sslyze")), "--mozilla_config", "modern", "--certinfo", "--certinfo_ca_file",
        str(server.data / "credentials/ca.pem"), f"localhost:{server.rpc_port}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "OK - Compliant" in done.stdout, done.stdout[-3000:]
