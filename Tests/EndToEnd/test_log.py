"""What an operator reads: the server's log, one line for each change."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from support import samples
from support.server import Server
from support.waiting import until

STEPS = ["probe", "ingest_vector", "stac_catalog_vectors", "verify"]


@pytest.fixture(scope="module")
def server(new_server: Callable[..., Server]) -> Server:
    return new_server("--retry-window", "0", "--log-level", "debug").start()


def events(server: Server, name: str) -> list[dict]:
    """The lines of one dataset. Every line of the log must be JSON, but for what is printed to whoever starts a server."""
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("name") == name]


def wait_for_event(server: Server, name: str, event: str) -> list[dict]:
    until(lambda: [line for line in events(server, name) if line["event"] == event], f"the log has {event} of {name}")
    return events(server, name)


def changes(lines: list[dict], *kinds: str) -> list[tuple[str, str, str]]:
    return [(line["event"], line["from"], line["to"]) for line in lines if line["event"].split(".")[0] in kinds]


def books(server: Server, key: str) -> Counter:
    """What the tables say happened to operations of a dataset and to the dataset, once for each move."""
    subjects = "SELECT pk FROM datasets.datasets WHERE key = %s"
    moves = server.rows(
        "SELECT resource, from_state, to_state FROM coremachine.events WHERE resource IN ('operation', 'task') AND operation_id IN"
        f" (SELECT operation_id FROM coremachine.operations WHERE subject IN ({subjects}))", bytes.fromhex(key),
    )  # fmt: skip
    return Counter(move for move in moves if move[1] != "NONE" and move[1:] != ("WAITING", "QUEUED"))


def test_a_whole_life_is_one_line_a_change(server: Server, sources: Path, name: str):
    record = server.ready(name, sources / "world.gpkg")
    for words in (["delete", name], ["undelete", name], ["delete", name], ["purge", name]):
        assert server.cli(*words).code == 0
        # Once more changes nothing, and says nothing.
        server.cli(*words)
    lines = wait_for_event(server, name, "dataset.finish_purge")

    assert changes(lines, "dataset", "operation", "job") == [
        ("dataset.create", "NONE", "DRAFT"),
        ("operation.start", "QUEUED", "RUNNING"),
        # The first job is planned by the create.
        ("job.complete", "RUNNING", "SUCCEEDED"),
        *[("job.plan", "NONE", "QUEUED"), ("job.complete", "RUNNING", "SUCCEEDED")] * 3,
        ("operation.publish", "RUNNING", "SUCCEEDED"),
        ("dataset.delete", "PUBLISHED", "DELETED"),
        ("dataset.undelete", "DELETED", "PUBLISHED"),
        ("dataset.delete", "PUBLISHED", "DELETED"),
        ("dataset.purge", "DELETED", "PURGING"),
        ("dataset.finish_purge", "PURGING", "PURGED"),
    ]
    assert [line["job_type"] for line in lines if line["event"] == "job.complete"] == STEPS
    assert changes(lines, "task") == [
        ("task.claim", "QUEUED", "RUNNING"), ("task.complete", "RUNNING", "SUCCEEDED"),
    ] * 4  # fmt: skip
    operation = int(server.value("SELECT max(operation_id) FROM coremachine.operations"))
    for line in lines:
        assert line["dataset_key"] == record["dataset_key"] and line["generation"] == 1, line
        assert line["logger"] == "events" and line["actor"], line
        assert line["operation"] == operation, line
    assert lines[0]["actor"] == "terrane:principal:local-admin" and len(lines[0]["request_id"]) == 32
    published = next(line for line in lines if line["event"] == "operation.publish")
    assert published["duration_ms"] > 0 and published["step"] == 4


def test_a_failure_is_one_warning_with_its_reason(server: Server, folder: Path, name: str):
    empty = folder / "empty.gpkg"
    empty.touch()
    samples.readable(empty)
    assert server.create(name, empty).code == 1
    lines = wait_for_event(server, name, "operation.fail")
    assert changes(lines, "operation", "job") == [
        ("operation.start", "QUEUED", "RUNNING"), ("job.fail", "RUNNING", "FAILED"), ("operation.fail", "RUNNING", "FAILED"),
    ]  # fmt: skip
    failed = lines[-1]
    assert (failed["event"], failed["level"], failed["reason"]) == ("operation.fail", "warning", "SOURCE_EMPTY")
    assert failed["job_type"] == "probe" and failed["duration_ms"] > 0


def test_cancel_retry_and_a_killed_worker(server: Server, big: Path, name: str):
    watcher = server.begin(name, big)
    watcher.wait_for_loading()
    assert server.cli("cancel", name).code == 0
    assert server.cli("cancel", name).code == 0
    watcher.end()
    lines = wait_for_event(server, name, "operation.stop")
    assert changes(lines, "operation")[-2:] == [
        ("operation.cancel", "RUNNING", "CANCELLING"), ("operation.stop", "CANCELLING", "CANCELLED"),
    ]  # fmt: skip

    assert server.cli("retry", name).code == 0
    server.watch(name).wait_for_loading()
    [task] = server.tasks
    task.kill()
    lines = wait_for_event(server, name, "task.retry")
    retried = [line for line in lines if line["event"] == "dataset.retry"]
    assert len(retried) == 1 and retried[0]["operation"] > retried[0]["retry_of"] == lines[0]["operation"]
    crash = lines[-1] if lines[-1]["event"] == "task.retry" else next(x for x in lines if x["event"] == "task.retry")
    assert (crash["level"], crash["reason"], crash["attempt"]) == ("warning", "TASK_CRASHED", 1)
    assert crash["operation"] == retried[0]["operation"]
    assert server.cli("watch", name, timeout=180).code == 0

    # Line for line what the books say.
    lines = wait_for_event(server, name, "operation.publish")
    told = Counter((line["event"].split(".")[0], line["from"], line["to"]) for line in lines)
    moves = books(server, lines[0]["dataset_key"])
    assert {move: told[move] for move in moves} == dict(moves)


def test_the_log_holds_no_secret(server: Server):
    secret = (server.data / "postgresql/superuser.password").read_text().strip()
    assert secret and secret not in server.log
    assert "PRIVATE KEY" not in server.log and "SCRAM-SHA-256$" not in server.log
