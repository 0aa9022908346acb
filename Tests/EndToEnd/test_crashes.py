"""Killed at the worst moment, everything goes on by itself: each row once, nothing left over.

TERRANE_E2E_FEATURES=500000 runs them on the size that is promised.
"""

import signal
from pathlib import Path

import pytest

from conftest import AS_ROOT, big_count
from support import features, processes
from support.server import Server
from support.waiting import until

# How long a load may take on a busy machine, in a debug build.
LOAD = 120 + big_count() / 1000


def assert_whole(server: Server, name: str) -> dict:
    """READY with each feature exactly once, in the one table; nothing staged, nothing unexplained."""
    record = server.record(name)
    assert record["status"] == "ready", record
    [collection] = record["result"]["collections"]
    items = server.get(collection["items_url"], params={"limit": 1}).json()
    assert items["numberMatched"] == collection["feature_count"] == big_count()
    [(table,)] = server.rows(
        "SELECT c.schema_name || '.' || c.table_name FROM serving.collections c JOIN datasets.datasets d"
        " ON d.pk = c.dataset_pk AND d.published_build = c.build WHERE d.key = %s",
        bytes.fromhex(record["dataset_key"]),
    )
    assert server.rows(f"SELECT count(*), count(DISTINCT fid), count(DISTINCT number) FROM {table}") == [(big_count(),) * 3]
    server.wait_until_clean()
    assert server.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'staging%'") == []
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r'"
    live = "SELECT identifier FROM coremachine.ledger WHERE kind = 'table' AND state = 'LIVE'"
    assert server.rows(f"{tables} AND 'data.' || relname NOT IN ({live})") == []
    assert list((server.data / "scratch").iterdir()) == []
    until(lambda: server.tasks == [], "no task process is left", 10)
    return record


def test_a_killed_server_goes_on_with_the_load_when_started_again(victim: Server, big: Path, name: str):
    watcher = victim.begin(name, big, "--timeout", "300")
    watcher.wait_for_loading()
    postmaster, left = victim.postmaster, [*victim.tasks, *victim.children_named("terrane_dataapi")]
    assert len(left) >= 2
    victim.kill9()
    until(lambda: not any(process.is_running for process in left), "children die with their server", 5)
    assert postmaster.is_running, "the database lives on"

    victim.start()
    assert victim.postmaster == postmaster, "and is adopted"
    # The watcher was not told: it came back by itself.
    assert watcher.end(LOAD) == 0, watcher.errors
    positions = [event["seq"] for event in watcher.events]
    assert positions == sorted(set(positions))
    percents = [s["progress"]["percent"] for s in watcher.statuses]
    assert percents == sorted(percents)
    record = assert_whole(victim, name)
    assert record["operation"]["id"] == watcher.statuses[0]["operation"]["id"], "one operation did it"
    served = features.gdal("ogrinfo", "-al", "-so", f"OAPIF:{record['result']['endpoint']}")
    assert f"Feature Count: {big_count()}" in served.stdout and served.stderr == ""


@pytest.mark.parametrize("step", ["probe", "stac_catalog_vectors", "verify"])
def test_a_server_killed_in_any_step_goes_on(victim: Server, sources: Path, name: str, step: str):
    watcher = victim.begin(name, sources / "world.gpkg", "--timeout", "300")
    watcher.wait_for(step, lambda s: s["progress"]["step"] == step or s["status"] == "ready")
    victim.kill9()
    victim.start()
    assert watcher.end(LOAD) == 0, watcher.errors
    assert victim.record(name)["result"]["feature_count"] == 177
    victim.wait_until_clean()


def test_a_purge_cut_short_is_finished_after_a_restart(victim: Server, big: Path, name: str):
    record = victim.ready(name, big, timeout=LOAD)
    assert victim.cli("delete", name).code == 0
    purging = victim.begin_command("purge", name)
    asked = "SELECT state FROM datasets.datasets WHERE key = %s AND generation = %s"
    of = (bytes.fromhex(record["dataset_key"]), record["generation"])
    until(lambda: victim.value(asked, *of) != "DELETED", "the purge has begun", 10, every=0.005)
    victim.kill9()
    purging.kill()
    victim.start()
    until(lambda: victim.value(asked, *of) == "PURGED", "the purge ends by itself", 60, every=0.2)
    victim.wait_until_clean()
    assert victim.cli("get", name).code == 4


def test_a_killed_task_is_run_again(victim: Server, big: Path, name: str):
    watcher = victim.begin(name, big)
    watcher.wait_for_loading()
    [child] = victim.tasks
    child.kill()
    assert watcher.end(LOAD) == 0, watcher.statuses[-1]
    assert_whole(victim, name)


def test_a_killed_data_api_serves_again(victim: Server, sources: Path, name: str):
    record = victim.ready(name, sources / "cycle_hire.geojson")
    [process] = victim.children_named("terrane_dataapi")
    process.kill()

    def answers() -> bool:
        try:
            return victim.get(record["result"]["collections"][0]["items_url"]).status_code == 200
        except OSError:
            return False

    until(lambda: not process.is_running, "it is dead", 5)
    until(answers, "the data API serves again", 30, every=0.1)
    assert victim.ready(name + "b", sources / "cycle_hire.geojson")["status"] == "ready"


def test_a_killed_data_api_during_verify_costs_nothing(victim: Server, big: Path, name: str):
    watcher = victim.begin(name, big)
    watcher.wait_for("verification", lambda s: s["progress"]["step"] in ("stac_catalog_vectors", "verify", "published"), LOAD)
    for process in victim.children_named("terrane_dataapi"):
        process.kill()
    assert watcher.end(LOAD) == 0, watcher.statuses[-1]
    until(lambda: victim.children_named("terrane_dataapi"), "the data API is back", 30)
    until(lambda: victim.cli("health").code == 0, "the server is well", 30)
    assert_whole(victim, name)


def test_a_killed_database_during_a_load_is_survived(victim: Server, big: Path, name: str):
    watcher = victim.begin(name, big, "--timeout", "300")
    watcher.wait_for_loading()
    postmaster = victim.postmaster
    postmaster.kill()
    until(lambda: not postmaster.is_running, "the postmaster is dead", 5)
    code = watcher.end(LOAD)
    until(lambda: victim.cli("health").code == 0, "the server is well again", 60, every=0.5)
    assert victim.process.poll() is None, "terraned lived through it"
    assert victim.postmaster != postmaster
    if code == 0:
        assert_whole(victim, name)
    else:
        problem = watcher.statuses[-1]["problem"]
        assert code == 1 and problem["reason"] and problem["message"], problem
        assert victim.cli("retry", name, "--watch", timeout=LOAD).code == 0
        assert_whole(victim, name)


def test_a_stopped_server_leaves_no_process_and_goes_on_later(victim: Server, big: Path, name: str):
    watcher = victim.begin(name, big, "--timeout", "300")
    watcher.wait_for_loading()
    watcher.kill()
    assert victim.stop() == 0
    assert [process.command for process in victim.processes()] == []
    assert victim.endpoint == {}

    victim.start()
    assert victim.watch(name).end(LOAD) == 0
    assert_whole(victim, name)


def test_what_was_served_is_served_after_a_restart(victim: Server, sources: Path, name: str):
    record = victim.ready(name, sources / "world.gpkg")
    items = record["result"]["collections"][0]["items_url"]
    before = victim.get(items, params={"limit": 2}).json()["features"]
    victim.kill9()
    victim.start()
    assert victim.get(items, params={"limit": 2}).json()["features"] == before
    assert victim.record(name)["result"] == record["result"]
    victim.wait_until_clean()


def test_everything_runs_as_the_servers_user(victim: Server):
    if not AS_ROOT:
        pytest.skip("the server's user is this one")
    running = [process for process in victim.processes() if process.user_id == 0]
    assert [process.command for process in running] == []
    assert victim.postmaster.user_id == victim.children_named("terrane_dataapi")[0].user_id != 0


def test_an_interrupted_server_stops_as_well(victim: Server):
    victim.process.send_signal(signal.SIGINT)
    assert victim.process.wait(timeout=60) == 0
    assert processes.that_know(victim.data) == []
