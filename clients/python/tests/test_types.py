"""The client is typed: mypy, strict, on it and on a program that uses it."""

import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1]

PROGRAM = """
import terrane
from terrane.v1.dataset_service_pb2 import ListDatasetsRequest

client = terrane.connect()
dataset: terrane.Dataset = client.create_and_wait("a/b/c", terrane.vector("/a.gpkg"), timeout=3)
reveal_type(client.datasets.list_datasets(ListDatasetsRequest(page_size=3)).datasets[0].result.endpoint)
for event in client.watch("a/b/c"):
    reveal_type(event.message)
client.create(1, terrane.vector("/a.gpkg"))
"""


def mypy(*arguments: str) -> str:
    command = [sys.executable, "-m", "mypy", "--no-incremental", *arguments]
    return subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=300).stdout


def test_the_client_is_typed() -> None:
    assert mypy("-p", "framedrpc", "-p", "terrane").startswith("Success")


def test_a_user_is_told_the_types(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    said = mypy(str(program))
    assert 'Revealed type is "builtins.str"' in said or 'Revealed type is "str"' in said
    assert "DatasetStatus | None" in said or "Union[terrane.v1.dataset_pb2.DatasetStatus, None]" in said
    assert 'Argument 1 to "create" of "Client" has incompatible type "int"' in said
    assert said.count("error:") == 1


def test_specs_of_rasters(tmp_path):
    import terrane
    from terrane.v1.dataset_pb2 import DATASET_TYPE_RASTER, DATASET_TYPE_RASTER_COLLECTION, RasterCollectionSource

    one = terrane.raster(tmp_path / "a b.tif", crs="EPSG:4326", title="One")
    assert (one.type, one.raster.url, one.metadata.title) == (DATASET_TYPE_RASTER, (tmp_path / "a b.tif").as_uri(), "One")
    many = terrane.raster_collection(f"{tmp_path}/year 1/*.tif", tolerant=True)
    assert many.type == DATASET_TYPE_RASTER_COLLECTION
    assert many.raster_collection.pattern == f"file://{tmp_path}/year%201/*.tif"
    assert many.raster_collection.policy == RasterCollectionSource.POLICY_TOLERANT
    over = terrane.mosaic(["a/b/v1", terrane.name("@city/c/d/v2")], title="All")
    assert [one.namespace for one in over.mosaic.datasets] == ["", "city"] and over.mosaic.datasets[0].version_id == "v1"
    listed = terrane.raster_collection([tmp_path / "a.tif", "file:///b.tif"])
    assert list(listed.raster_collection.urls) == [(tmp_path / "a.tif").as_uri(), "file:///b.tif"]
    assert listed.raster_collection.policy == RasterCollectionSource.POLICY_STRICT and not listed.raster_collection.pattern
