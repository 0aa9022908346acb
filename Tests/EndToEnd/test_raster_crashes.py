"""Rasters under kill and cancel: nothing half is served, nothing is left, what was done is kept."""

import signal
from pathlib import Path

import pytest
import rasterio
from rasterio.transform import from_origin
from support import rasters
from support.server import Server, Watcher
from support.waiting import until


@pytest.fixture(scope="module")
def large(sources: Path) -> Path:
    """Takes seconds to read, and more to write."""
    return rasters.big(sources / "large.tif")


def working(watcher: Watcher, step: str) -> dict:
    return watcher.wait_for(step, lambda s: s["progress"]["step"] == step and s["progress"].get("done", 0) > 0, 90)


def assert_whole(server: Server, name: str, source: Path) -> None:
    """READY with every pixel; nothing staged, nothing unexplained."""
    record = server.record(name)
    assert record["status"] == "ready", record
    with rasterio.open(source) as before, rasterio.open(rasters.file_of(server, record)) as after:
        assert [before.checksum(n) for n in before.indexes] == [after.checksum(n) for n in after.indexes]
    assert_nothing_left(server)


def assert_nothing_left(server: Server) -> None:
    server.wait_until_clean()
    assert list((server.data / "scratch").iterdir()) == []
    live = {name for (name,) in server.rows("SELECT identifier FROM coremachine.ledger WHERE kind = 'file' AND state <> 'GONE'")}
    kept = {str(path.relative_to(server.data / "files")) for path in (server.data / "files").rglob("*-*.*")}
    assert kept == live
    until(lambda: server.tasks == [], "no task process is left", 10)


@pytest.mark.parametrize("step", ["validate_raster", "process_raster"])
def test_a_killed_task_is_run_again(victim: Server, large: Path, name: str, step: str):
    watcher = victim.begin(name, large, "--timeout", "300")
    working(watcher, step)
    [child] = victim.tasks
    child.kill()
    assert watcher.end(240) == 0, watcher.statuses[-1]
    percents = [status["progress"]["percent"] for status in watcher.statuses]
    assert percents == sorted(percents)
    assert_whole(victim, name, large)


@pytest.mark.parametrize("step", ["validate_raster", "process_raster"])
def test_a_killed_server_goes_on_when_started_again(victim: Server, large: Path, name: str, step: str):
    watcher = victim.begin(name, large, "--timeout", "300")
    working(watcher, step)
    victim.kill9()
    victim.start()
    assert watcher.end(240) == 0, watcher.errors
    assert_whole(victim, name, large)


@pytest.mark.parametrize("step", ["validate_raster", "process_raster"])
def test_a_cancelled_raster_is_dead_in_two_seconds_and_leaves_nothing(victim: Server, large: Path, name: str, step: str):
    watcher = victim.begin(name, large)
    event = working(watcher, step)
    assert event["status"]["progress"]["unit"] == "pixels"
    children = victim.tasks
    assert children
    assert victim.cli("cancel", name).code == 0
    until(lambda: not any(child.is_running for child in children), "the child is dead", 2 + 3)
    assert watcher.end(30) != 0
    assert victim.record(name)["status"] == "cancelled"
    assert_nothing_left(victim)


def test_a_server_that_dies_as_it_takes_a_file_over(victim: Server, sources: Path, name: str):
    """The file is moved before the row is written: whichever was not done, the ledger knows of it."""
    source = rasters.write(sources / "small.tif", rasters.picture(300, 1))
    before = set((victim.data / "files").rglob("*.tif"))
    watcher = victim.begin(name, source, "--timeout", "120")
    moved = lambda: set((victim.data / "files").rglob("*.tif")) - before  # noqa: E731
    until(moved, "the file is in its place", 60, every=0.001)
    victim.kill9()
    victim.start()
    assert watcher.end(120) == 0, watcher.errors
    assert_whole(victim, name, source)


@pytest.mark.parametrize("kind", ["raster", "raster-with-tiles", "collection"])
def test_a_cancelled_verification_is_retried_without_writing_again(victim: Server, sources: Path, name: str, kind: str):
    """What was written is kept: a retry goes on after it."""
    folder = sources / f"kept-{kind}"
    folder.mkdir()
    folder.chmod(0o755)
    source = rasters.write(folder / "kept.tif", rasters.picture(400, 1))
    options = {"raster-with-tiles": ["--tiles"], "collection": ["--tiles"]}.get(kind, [])
    if kind == "collection":
        rasters.write(folder / "more.tif", rasters.picture(400, 1), transform=from_origin(504_000, 5_500_000, 10, 10))
    watcher = victim.begin(name, f"{folder}/*.tif" if kind == "collection" else source, *options, "--timeout", "120")
    before = {"raster": "stac_catalog_raster", "raster-with-tiles": "stac_catalog_raster"}.get(kind, "stac_catalog_collection")
    # While the data API stands still, verification cannot end. With tiles, it is needed until they are drawn.
    if options:
        watcher.wait_for("cataloguing", lambda s: s["progress"]["step"] in (before, "verify"), 90)
    [data_api] = victim.children_named("terrane_dataapi")
    data_api.kill(signal.SIGSTOP)
    try:
        watcher.wait_for("verification", lambda s: s["progress"]["step"] == "verify", 120)
        answer = victim.cli("cancel", name)
        watcher.end(60)
    finally:
        data_api.kill(signal.SIGCONT)
    if answer.code != 0:
        pytest.fail(f"it was ready before it could be cancelled: {answer.problem}")
    assert victim.record(name)["status"] == "cancelled"
    assert victim.cli("retry", name, "--watch", timeout=240).code == 0
    record = victim.record(name)
    steps = victim.rows(
        "SELECT j.job_type, j.carried_from IS NOT NULL FROM coremachine.jobs j JOIN datasets.datasets d ON d.operation_id = j.operation_id"
        " WHERE d.key = %s ORDER BY j.step",
        bytes.fromhex(record["dataset_key"]),
    )
    assert [step for step, _ in steps][-2:] == [before, "verify"]
    assert [carried for _, carried in steps] == [True] * (len(steps) - 2) + [False, False]
    files = set(rasters.files_of(victim, record).values())
    assert all(file.exists() for file in files) and (not options or any(file.suffix == ".mbtiles" for file in files))
    if kind == "raster":
        assert_whole(victim, name, source)
    assert_nothing_left(victim)
