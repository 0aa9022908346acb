"""The byte vectors of conformance/ against a real server, over a raw socket."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.server import CHECKOUT, Server

sys.path.insert(0, str(CHECKOUT / "conformance"))
from suite.raw import Raw  # noqa: E402
from suite.vectors import check, send  # noqa: E402

VECTORS = json.loads((CHECKOUT / "conformance/vectors.json").read_text())["vectors"]


def test_the_file_is_what_its_source_writes() -> None:
    command = [sys.executable, str(CHECKOUT / "conformance/make_vectors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(CHECKOUT / "clients/python/src")}, timeout=60)
    assert done.returncode == 0, done.stderr


def test_names_are_unique() -> None:
    names = [vector["name"] for vector in VECTORS]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vector(server: Server, vector: dict) -> None:
    folder: Path = server.data / "credentials/local-admin"
    authority = SimpleNamespace(
        certificate=folder / "ca.pem", peer=SimpleNamespace(certificate=folder / "client.pem", key=folder / "client.key")
    )
    with Raw(server.rpc_port, authority, greet=False) as raw:
        send(raw, vector)
        check(raw, vector)
