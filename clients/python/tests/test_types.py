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
