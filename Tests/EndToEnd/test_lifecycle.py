"""Delete, undelete, purge, cancel, retry, and create again."""

import concurrent.futures
from pathlib import Path

from conftest import big_count
from support import clients
from support.server import Server
from support.waiting import until


def tables_of(server: Server, record: dict) -> list[str]:
    """Tables that exist for this life of the dataset, whatever is said of them."""
    [(pk,)] = server.rows(
        "SELECT pk FROM datasets.datasets WHERE key = %s AND generation = %s",
        bytes.fromhex(record["dataset_key"]), record["generation"],
    )  # fmt: skip
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'data'::regnamespace AND relname LIKE %s"
    found = server.rows(tables, f"d{pk}\\_%")
    return [name for (name,) in found]


def is_served(server: Server, record: dict) -> tuple[int, int, bool]:
    result = record["result"]
    return (
        server.get(result["endpoint"]).status_code,
        server.get(result["stac_item_url"]).status_code,
        clients.stac_item(server.public_url, record) is not None,
    )


def test_delete_withdraws_and_undelete_brings_back(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "world.gpkg")
    items = record["result"]["collections"][0]["items_url"]
    before = server.get(items, params={"limit": 3}).json()["features"]
    assert is_served(server, record) == (200, 200, True)

    deleted = server.cli("delete", name)
    assert deleted.code == 0 and deleted.last["dataset"]["status"] == "deleted"
    assert is_served(server, record) == (404, 404, False)
    assert server.get(items).status_code == 404
    assert tables_of(server, record), "a deleted dataset keeps its tables"
    assert server.create(name, sources / "world.gpkg").problem["reason"] == "DATASET_DELETED"

    undeleted = server.cli("undelete", name)
    assert undeleted.code == 0 and undeleted.last["status"] == "ready"
    assert is_served(server, record) == (200, 200, True)
    assert server.get(items, params={"limit": 3}).json()["features"] == before
    server.wait_until_clean()


def test_a_dry_run_of_delete_tells_what_would_go(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "world.gpkg")
    answer = server.cli("delete", name, "--dry-run")
    assert answer.code == 0
    assert {f"data.{table}" for table in tables_of(server, record)} <= {a["identifier"] for a in answer.last["artifacts"]}
    assert is_served(server, record) == (200, 200, True)


def test_purge_removes_everything_and_frees_the_name_at_once(server: Server, sources: Path, name: str):
    first = server.ready(name, sources / "world.gpkg")
    assert tables_of(server, first)
    purged = server.cli("delete", name, "--purge")
    assert purged.code == 0 and purged.last["dataset"]["state"] in ("purging", "purged")
    second = server.ready(name, sources / "cycle_hire.geojson")
    assert second["generation"] == first["generation"] + 1
    assert second["result"]["feature_count"] != first["result"]["feature_count"]
    until(lambda: not tables_of(server, first), "the tables of the purged life are gone")
    assert tables_of(server, second)
    assert is_served(server, second) == (200, 200, True)
    server.wait_until_clean()
    assert list((server.data / "scratch").iterdir()) == []


def test_a_purged_dataset_is_not_found(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "cycle_hire.geojson")
    assert server.cli("delete", name, "--purge").code == 0
    answer = server.cli("get", name)
    assert (answer.code, answer.problem["reason"]) == (4, "DATASET_NOT_FOUND")
    assert server.record(name, "--show-deleted")["status"] == "deleted"
    assert is_served(server, record) == (404, 404, False)
    assert server.cli("undelete", name).code in (2, 4)


def test_cancel_during_a_load_kills_the_child_and_publishes_nothing(server: Server, big: Path, name: str):
    watcher = server.begin(name, big)
    watcher.wait_for_loading()
    children = server.tasks
    assert children, "a child is loading"
    backends = "SELECT pid FROM pg_stat_activity WHERE usename LIKE 'terrane_task%%'"
    assert server.rows(backends)

    cancelled = server.cli("cancel", name)
    assert cancelled.code == 0 and cancelled.last["operation"]["state"] in ("cancelling", "cancelled")
    # Two seconds are what is promised; the command line's own end is on top of it, on a busy machine.
    until(lambda: not any(child.is_running for child in children), "the child is dead", 2)
    assert watcher.end(30) == 1
    assert watcher.statuses[-1]["status"] == "cancelled" and watcher.statuses[-1]["operation"]["state"] == "cancelled"
    until(lambda: not server.rows(backends), "its database sessions have ended", 5)
    record = server.record(name)
    assert "result" not in record and server.get(f"/api/data/{name}").status_code == 404
    server.wait_until_clean()
    assert tables_of(server, record) == []

    assert server.cli("retry", name, "--watch", timeout=300).code == 0
    again = server.record(name)
    assert again["status"] == "ready" and again["result"]["feature_count"] == big_count()
    assert again["operation"]["retry_of"] == record["operation"]["id"]
    server.wait_until_clean()


def test_delete_during_a_load_ends_it(server: Server, big: Path, name: str):
    watcher = server.begin(name, big)
    watcher.wait_for_loading()
    children = server.tasks
    assert server.cli("delete", name, "--purge").code == 0
    until(lambda: not any(child.is_running for child in children), "the child is dead", 5)
    watcher.end(30)
    assert server.get(f"/api/data/{name}").status_code == 404
    server.wait_until_clean()


def test_an_equal_create_of_what_is_served_answers_the_record(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "world.gpkg")
    again = server.create(name, sources / "world.gpkg")
    assert again.code == 0 and again.lines[0]["created"] is False
    assert again.lines[0]["dataset"]["operation"]["id"] == record["operation"]["id"]
    other = server.create(name, sources / "cycle_hire.geojson")
    assert (other.code, other.problem["reason"]) == (4, "DATASET_EXISTS")
    assert "url" in str(other.problem["details"])


def test_concurrent_equal_creates_make_one_dataset(server: Server, sources: Path, name: str):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.cli, "create", name, "--source", str(sources / "world.gpkg")) for _ in range(16)]
        answers = [one.result() for one in asked]
    assert {answer.code for answer in answers} == {0}
    records = [answer.last["dataset"] for answer in answers]
    assert len({(r["dataset_key"], r["generation"], r["operation"]["id"]) for r in records}) == 1
    assert sum(answer.last["created"] for answer in answers) == 1
    assert server.watch(name).end() == 0


def test_a_namespace_has_urls_and_items_of_its_own(server: Server, sources: Path, name: str):
    record = server.ready(f"@other/{name}", sources / "cycle_hire.geojson")
    assert f"/api/data/@other/{name}" in record["result"]["endpoint"]
    assert is_served(server, record) == (200, 200, True)
    assert server.get(f"/api/data/{name}").status_code == 404
    assert server.cli("get", name).code == 4
