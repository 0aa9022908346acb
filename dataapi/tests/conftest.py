"""One cluster and one data API process for the whole run; a test that changes what is served puts it back."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import cluster as clusters  # noqa: E402
import samples  # noqa: E402

# Links must say this, whatever the Host of a request says.
PUBLIC_URL = "https://data.example.org/geo"


@pytest.fixture(scope="session")
def cluster() -> Iterator[clusters.Cluster]:
    made = clusters.Cluster()
    try:
        made.create()
        clusters.install(made)
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """The folder of served files."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="session")
def published(cluster: clusters.Cluster, files: Path) -> None:
    with cluster.connect() as connection:
        samples.publish_raster(connection, files)
        samples.publish_mosaic(connection, files)
        samples.places(connection, 10, 1200)
        samples.publish_places(connection, 10, 1200)
        samples.publish_mixed(connection)
        samples.catalogue(connection)


@pytest.fixture
def admin(cluster: clusters.Cluster, published: None) -> Iterator[psycopg.Connection]:
    with cluster.connect() as connection:
        yield connection


@dataclass
class Service:
    """A running data API."""

    process: subprocess.Popen
    address: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def get(self, path: str, **more) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **more)

    def json(self, path: str, **more) -> dict:
        response = self.get(path, **more)
        assert response.status_code == 200, response.text
        return response.json()


def launch(cluster: clusters.Cluster, log: Path, *arguments: str) -> Service:
    command = [sys.executable, "-m", "terrane_dataapi", "--port", "0", "--exit-with-stdin", *arguments]
    environment = {**os.environ, **cluster.environment(), "PYTHONPATH": str(clusters.ROOT / "dataapi")}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=environment, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    ready, _, _ = select.select([process.stdout], [], [], 30)
    line = process.stdout.readline() if ready else b""
    if not line:
        process.kill()
        raise RuntimeError(f"the data API did not start:\n{log.read_text()}")
    return Service(process, json.loads(line)["listening"], log)


def end(service: Service) -> int:
    service.process.stdin.close()
    return service.process.wait(15)


@pytest.fixture(scope="session")
def service(cluster, published, files, tmp_path_factory) -> Iterator[Service]:
    """At a public URL of its own: what a proxy in front would see."""
    running = launch(cluster, tmp_path_factory.mktemp("public") / "log", "--public-url", PUBLIC_URL, "--files", str(files))
    yield running
    assert end(running) == 0


@pytest.fixture(scope="session")
def local(cluster, published, files, tmp_path_factory) -> Iterator[Service]:
    """At its own address, for clients that follow links."""
    running = launch(cluster, tmp_path_factory.mktemp("local") / "log", "--files", str(files))
    yield running
    assert end(running) == 0


def eventually(condition, seconds: float = 15):
    """The first true value of `condition()`; fails after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)
