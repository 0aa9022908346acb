"""The Python client against a real server: its README, its wheel, and a watch through the death of the server."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import pytest
from support.server import CHECKOUT, Server
from test_crashes import assert_whole

CLIENT = CHECKOUT / "clients/python"
sys.path.insert(0, str(CLIENT / "src"))
import terrane  # noqa: E402
from terrane.v1.dataset_service_pb2 import ListDatasetsRequest  # noqa: E402


def connect(server: Server) -> terrane.Client:
    return terrane.connect(f"127.0.0.1:{server.rpc_port}", credentials=server.data / "credentials/local-admin")


def connect_async(server: Server) -> terrane.AsyncClient:
    return terrane.connect_async(f"127.0.0.1:{server.rpc_port}", credentials=server.data / "credentials/local-admin")


def test_keys_are_the_servers() -> None:
    for vector in json.loads((CHECKOUT / "proto/terrane/v1/dataset_key_vectors.json").read_text())["vectors"]:
        key = vector.pop("dataset_key")
        assert terrane.dataset_key(terrane.DatasetName(**vector)) == key


def test_create_watch_read_delete(server: Server, sources: Path) -> None:
    seen: list[terrane.DatasetStatus] = []
    with connect(server) as client:
        spec = terrane.vector(sources / "world.gpkg", title="World")
        dataset = client.create_and_wait("python/world/v1", spec, on_progress=seen.append, timeout=120)
        assert dataset.dataset_key == terrane.dataset_key("python/world/v1")
        assert terrane.status(dataset) is terrane.Status.READY
        assert dataset.result.feature_count == 177
        assert {status.dataset_key for status in seen} == {dataset.dataset_key}
        percents = [status.progress.percent for status in seen]
        assert percents == sorted(percents) and percents[-1] == 100
        # Asked again, it is the same dataset.
        assert client.create("python/world/v1", spec).generation == dataset.generation
        items = server.get(f"{dataset.result.collections[0].items_url}?limit=1").json()
        assert items["numberMatched"] == 177 and len(items["features"]) == 1
        assert terrane.status(client.delete("python/world/v1")) is terrane.Status.DELETED
        with pytest.raises(terrane.RpcError) as caught:
            client.create_and_wait("python/world/v1", terrane.vector("/nowhere/else.gpkg"))
        assert terrane.problem(caught.value).reason in ("SOURCE_OUTSIDE_ROOTS", "DATASET_DELETED")


def test_a_dataset_that_fails(server: Server, sources: Path) -> None:
    broken = sources / "python-broken.geojson"
    broken.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"')
    broken.chmod(0o644)
    with connect(server) as client, pytest.raises(terrane.DatasetFailed) as caught:
        client.create_and_wait("python/broken/v1", terrane.vector(broken), timeout=120)
    assert caught.value.problem is not None and caught.value.problem.reason
    assert not caught.value.is_cancelled
    assert caught.value.problem.reason in str(caught.value)


def test_asyncio_and_many_at_once(server: Server, sources: Path) -> None:
    async def main() -> None:
        async with connect_async(server) as client:
            spec = terrane.vector(sources / "cycle_hire.geojson")
            names = [f"python/many/v{number}" for number in range(4)]
            datasets = await asyncio.gather(*[client.create_and_wait(name, spec, timeout=180) for name in names])
            assert {dataset.result.feature_count for dataset in datasets} == {742}
            listed = [terrane.text_of(dataset.name) async for dataset in client.list(dataset_id="python")]
            assert set(listed) >= set(names) and len(set(listed)) == len(listed)
            records = await asyncio.gather(*[client.get(names[0]) for _ in range(300)])
            assert {record.dataset_key for record in records} == {terrane.dataset_key(names[0])}
            for name in names:
                await client.delete(name)

    asyncio.run(main())


def test_threads_share_a_client(server: Server) -> None:
    failures: list[Exception] = []
    with connect(server) as client:

        def ask() -> None:
            try:
                for _ in range(40):
                    client.datasets.list_datasets(ListDatasetsRequest(page_size=1))
            except Exception as error:  # noqa: BLE001 # looked at below
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
def test_a_watch_through_kill_and_restart(victim: Server, big: Path, kind: str) -> None:
    """Create, watch through a kill -9 of terraned and its restart, read an item, delete: nothing lost or doubled."""
    server, name = victim, f"python-crash/{kind}/v1"
    loading, statuses = threading.Event(), []

    def take(status: terrane.DatasetStatus) -> None:
        statuses.append(status)
        if status.progress.step == "ingest_vector" and status.progress.done > 0:
            loading.set()

    outcome: dict[str, object] = {}

    def blocking() -> None:
        with connect(server) as client:
            outcome["dataset"] = client.create_and_wait(name, terrane.vector(big), on_progress=take, timeout=240)

    def on_a_loop() -> None:
        async def main() -> None:
            async with connect_async(server) as client:
                outcome["dataset"] = await client.create_and_wait(name, terrane.vector(big), on_progress=take, timeout=240)

        asyncio.run(main())

    def run() -> None:
        try:
            blocking() if kind == "blocking" else on_a_loop()
        except Exception as error:  # noqa: BLE001 # looked at below
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert loading.wait(120), outcome
    server.kill9()
    # Long enough for the client to find nobody: it has to wait and try again, not only to reconnect.
    time.sleep(0.5)
    server.start()
    thread.join(240)
    assert not thread.is_alive() and "error" not in outcome, outcome
    dataset = outcome["dataset"]
    assert isinstance(dataset, terrane.Dataset) and terrane.status(dataset) is terrane.Status.READY
    updates = [(status.update_time.ToNanoseconds(), status.SerializeToString(deterministic=True)) for status in statuses]
    assert len(set(updates)) == len(updates), "a status came twice"
    assert [moment for moment, _ in updates] == sorted(moment for moment, _ in updates)
    assert terrane.status(statuses[-1]) is terrane.Status.READY
    # Every feature once, and nothing left over.
    assert_whole(server, name)
    items = server.get(f"{dataset.result.collections[0].items_url}?limit=1").json()
    assert items["numberMatched"] == dataset.result.feature_count and len(items["features"]) == 1
    with connect(server) as client:
        client.delete(name)
        listed = [terrane.text_of(entry.name) for entry in client.list(dataset_id="python-crash", show_deleted=True)]
        assert listed.count(name) == 1


def test_the_wheel_installs_and_the_readme_runs(server: Server, sources: Path, tmp_path: Path) -> None:
    """The first program of the README as it is printed, in an environment of its own that has the wheel and protobuf."""

    def run(*command: str | Path, **more) -> str:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=180, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # A copy: building leaves things behind.
    copy = shutil.copytree(CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, copy)
    wheel = next(tmp_path.glob("terrane-*.whl"))
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    # What it depends on, from the tests' own environment: nothing is downloaded here.
    import google.protobuf

    libraries = Path(google.protobuf.__file__).parents[2]
    place = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (place / "google").symlink_to(libraries / "google")
    program = re.search(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.S)
    assert program
    (tmp_path / "first.py").write_text(program.group(1))
    environment = {
        "TERRANE_SERVER": f"127.0.0.1:{server.rpc_port}", "TERRANE_CREDENTIALS": str(server.data / "credentials/local-admin"),
    }  # fmt: skip
    out = run(python, tmp_path / "first.py", sources / "world.gpkg", env=environment, cwd=tmp_path)
    assert re.fullmatch(r"177 features at http://\S+/api/data/roads/network/2024\n", out)
    assert (place / "terrane/py.typed").exists() and list((place / "terrane/v1").glob("*.pyi"))


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(terrane.NoServer, match="no server is running"):
        terrane.connect(data=tmp_path)
    with pytest.raises(ValueError, match="HOST:PORT"):
        terrane.connect("host:port:more", credentials=tmp_path)
