"""Watching: one stream of honest progress, which a watcher can leave and come back to."""

import json
import time
from pathlib import Path

import pytest

from conftest import big_count
from support import samples
from support.server import Server, Watcher


def assert_honest(watcher: Watcher) -> None:
    """Strictly rising positions; progress that never falls; whole statuses."""
    events = watcher.events
    assert events and len({event["epoch"] for event in events}) == 1
    positions = [event["seq"] for event in events]
    assert positions == sorted(set(positions)), positions
    percents = [status["progress"]["percent"] for status in watcher.statuses]
    assert percents == sorted(percents), percents
    assert all(0 <= percent <= 100 for percent in percents)
    for event in events:
        assert event["safe_seq"] <= event["seq"]
        assert event["status"]["dataset_key"] and event["status"]["operation"]["id"]


# Long enough that several progress reports come of it on any machine: they are written once a second.
COUNT = 4 * big_count()


@pytest.fixture(scope="module")
def load(server: Server, sources: Path) -> tuple[Watcher, Watcher, Watcher, Watcher]:
    """One load, watched by two to its end, and by one that was killed and came back."""
    first = server.begin("watch/big/v1", samples.many_points(sources / "long.gpkg", COUNT))
    first.wait_for("a start", lambda status: True)
    second, leaver = server.watch("watch/big/v1"), server.watch("watch/big/v1")
    leaver.wait_for_loading()
    leaver.kill()
    position = leaver.events[-1]
    comer = server.watch("watch/big/v1", "--after", f"{position['epoch']}:{position['safe_seq']}")
    for watcher in (first, second, comer):
        assert watcher.end() == 0, watcher.errors
    return first, second, leaver, comer


def test_positions_rise_and_progress_never_falls(load: tuple[Watcher, ...]):
    for watcher in load:
        assert_honest(watcher)


def test_progress_tells_step_unit_and_rate(load: tuple[Watcher, ...]):
    steps = [status["progress"] for status in load[0].statuses]
    loading = [p for p in steps if p["step"] == "ingest_vector" and p["unit"] == "rows"]
    assert len(loading) >= 2, "the load was watched as it went"
    assert all(p["total"] == COUNT and 0 <= p["done"] <= p["total"] and p["step_count"] == 4 for p in loading)
    assert any(p["rate"] > 0 and p["eta_seconds"] > 0 and p["eta_basis"] == "rate" for p in loading)
    assert len({p["done"] for p in loading}) > 1


def test_steps_come_in_their_order(load: tuple[Watcher, ...]):
    steps = list(dict.fromkeys(s["progress"]["step"] for s in load[0].statuses if s["progress"]["step"]))
    order = ["probe", "ingest_vector", "stac_catalog_vectors", "verify", "published"]
    assert steps == [step for step in order if step in steps] and "ingest_vector" in steps


def test_watchers_end_on_an_equal_last_value(load: tuple[Watcher, ...]):
    first, second, _, comer = (watcher.events[-1:] for watcher in load)
    assert first[0]["status"]["status"] == "ready"
    for other in (second, comer):
        assert (other[0]["seq"], other[0]["status"]) == (first[0]["seq"], first[0]["status"])


def test_a_watcher_that_comes_back_gets_no_value_twice(load: tuple[Watcher, ...]):
    _, _, leaver, comer = load
    before = {event["seq"] for event in leaver.events}
    after = {event["seq"] for event in comer.events}
    assert before and after and not before & after
    assert min(after) > max(before)


def test_watching_what_is_over_gives_its_last_value(server: Server, load: tuple[Watcher, ...]):
    watcher = server.watch("watch/big/v1")
    assert watcher.end() == 0
    assert [status["status"] for status in watcher.statuses] == ["ready"]
    assert watcher.statuses[-1] == load[0].statuses[-1]


def test_a_status_stays_small(load: tuple[Watcher, ...]):
    last = load[0].statuses[-1]
    [collection] = last["result"]["collections"]
    assert collection["columns"] == [] and collection["column_count"] == 5
    assert last["result"]["feature_count"] == collection["feature_count"] == COUNT


def test_watching_what_does_not_exist_says_so(server: Server):
    watcher = server.watch("watch/nothing/v1")
    assert watcher.end() == 4
    assert watcher.lines[-1]["error"]["problem"]["reason"] == "DATASET_NOT_FOUND"


def test_an_operator_sees_who_is_connected(server: Server, sources: Path, name: str) -> None:
    server.ready(name, sources / "cycle_hire.geojson")
    watcher = server.watch(name, "--follow").process
    try:
        deadline = time.monotonic() + 20
        while True:
            answer = server.cli("admin", "connections")
            found = json.loads(answer.out)
            streams = [stream for connection in found["connections"] for stream in connection.get("streams", [])]
            if any(stream["method"] == "terrane.v1.DatasetService/WatchStatus" for stream in streams):
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found["count"] == len(found["connections"])
        text = server.cli("admin", "connections", json_output=False).out
        assert "terrane:principal:local-admin" in text
        assert "WatchStatus  running" in text
        assert text.rstrip().endswith("connections")
    finally:
        watcher.kill()
        watcher.wait()
