"""A new build of what is served: the source changed, the older build served meanwhile, failures that change nothing."""

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from support import samples
from support.server import Server
from support.waiting import until
from test_lifecycle import is_served, tables_of


def write(path: Path, count: int, generation: str) -> Path:
    """As most programs save: beside it, then over it."""
    beside = samples.geojson(path.with_suffix(".new"), samples.places(count, generation=generation))
    return beside.replace(path)


class Reader:
    """Reads items, a tile and the collection in a loop; what it was answered."""

    def __init__(self, record: dict):
        [collection] = record["result"]["collections"]
        self._urls = {
            "items": collection["items_url"] + "?limit=1000",
            "tile": collection["tiles_url"].format(z=0, x=0, y=0),
            "landing": record["result"]["endpoint"],
        }
        self.generations: list[str] = []
        self.failures: list[str] = []
        self.rounds = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with requests.Session() as session:
            for self.rounds in itertools.count(1):
                for what, url in self._urls.items():
                    try:
                        answer = session.get(url, timeout=30)
                    except requests.RequestException as error:
                        self.failures.append(f"{what}: {error}")
                        continue
                    if answer.status_code != 200:
                        self.failures.append(f"{what}: {answer.status_code} {answer.text[:200]}")
                    elif what == "items":
                        self._take(answer.json())
                if self._stop.is_set():
                    return

    def _take(self, items: dict) -> None:
        seen = {feature["properties"]["generation"] for feature in items["features"]}
        if len(seen) != 1 or items["numberMatched"] != len(items["features"]):
            self.failures.append(f"torn: {seen}, {items['numberMatched']} of {len(items['features'])}")
        self.generations.extend(seen)

    def wait_for_rounds(self, more: int) -> None:
        target = self.rounds + more
        until(lambda: self.rounds >= target, f"{more} rounds are read", 60)

    def __enter__(self) -> "Reader":
        self._thread.start()
        self.wait_for_rounds(2)
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    @property
    def switches(self) -> int:
        return sum(a != b for a, b in itertools.pairwise(self.generations))


@contextmanager
def reading(record: dict) -> Iterator[Reader]:
    """Reads while the body runs and a little longer; no request failed."""
    with Reader(record) as reader:
        yield reader
        reader.wait_for_rounds(2)
    assert not reader.failures, reader.failures[:5]


def test_items_read_in_a_loop_switch_once_and_never_fail(server: Server, folder: Path, name: str):
    source = write(folder / "places.geojson", 200, "first")
    record = server.ready(name, source)
    write(source, 300, "second")
    with reading(record) as reader:
        done = server.cli("reprocess", name, "--watch")
        assert done.code == 0, done
    assert reader.switches == 1 and reader.generations[0] == "first" and reader.generations[-1] == "second"
    statuses = [line["status"]["status"] for line in done.lines if "seq" in line]
    assert statuses[-1] == "ready" and "updating" in statuses and set(statuses) == {"updating", "ready"}
    after = server.record(name)
    assert after["result"]["feature_count"] == 300 and after["operation"]["kind"] == "update"
    assert after["generation"] == record["generation"]
    assert is_served(server, after) == (200, 200, True)
    # What was asked for before the switch may still be read: the older tables stay a while, and are in the books.
    assert len(tables_of(server, after)) == 2
    scan = server.scan()
    assert not scan["unexpected"] and not scan["missing"]
    assert server.cli("delete", name, "--purge").code == 0
    until(lambda: not tables_of(server, after), "all of it is gone")
    server.wait_until_clean()


def test_an_equal_create_says_when_the_source_is_not_what_it_was(server: Server, folder: Path, name: str):
    source = write(folder / "places.geojson", 5, "first")
    server.ready(name, source)
    assert not server.create(name, source).lines[0]["notices"]
    write(source, 6, "second")
    answer = server.create(name, source)
    assert answer.code == 0 and answer.lines[0]["created"] is False
    [notice] = answer.lines[0]["notices"]
    assert notice["reason"] == "SOURCE_CHANGED_SINCE" and "terrane reprocess" in notice["remedy"]
    assert server.record(name)["result"]["feature_count"] == 5, "nothing was begun"
    told = server.cli("create", name, "--type", "vector", "--source", str(source), json_output=False)
    assert told.code == 0 and "SOURCE_CHANGED_SINCE" in told.out and f"terrane reprocess {name}" in told.out
    assert server.cli("reprocess", name, "--watch").code == 0
    assert server.record(name)["result"]["feature_count"] == 6
    assert not server.create(name, source).lines[0]["notices"]


def test_an_update_that_fails_leaves_what_is_served(server: Server, folder: Path, name: str):
    source = write(folder / "places.geojson", 50, "first")
    record = server.ready(name, source)
    source.write_text('{"type": "FeatureCollection", "features": [{"type"')
    with reading(record) as reader:
        done = server.cli("reprocess", name, "--watch")
    assert done.code == 1, done
    assert set(reader.generations) == {"first"}
    after = server.record(name)
    assert after["status"] == "ready" and "problem" not in after
    assert after["last_operation"]["problem"]["reason"] == "SOURCE_TRUNCATED", after["last_operation"]
    assert after["result"] == record["result"]
    shown = server.cli("get", name, json_output=False)
    assert shown.code == 0 and "READY" in shown.out and "SOURCE_TRUNCATED" in shown.out
    said = " ".join(shown.out.split())
    assert "the older build is served on" in said and f"terrane reprocess {name}" in said
    refused = server.cli("retry", name)
    assert refused.code == 2 and refused.problem["reason"] == "ILLEGAL_MOVE"
    source.unlink()
    assert server.cli("reprocess", name, "--watch").code == 1
    assert server.record(name)["last_operation"]["problem"]["reason"] == "SOURCE_NOT_FOUND"
    server.wait_until_clean()
    assert len(tables_of(server, record)) == 1
    # Once it is mended.
    write(source, 60, "second")
    assert server.cli("reprocess", name, "--watch").code == 0
    mended = server.record(name)
    assert mended["result"]["feature_count"] == 60 and "last_operation" not in mended


def test_an_update_that_is_cancelled_leaves_what_is_served(server: Server, folder: Path, big: Path, name: str):
    source = folder / "places.gpkg"
    samples.ogr2ogr("-f", "GPKG", source, write(folder / "few.geojson", 7, "first"))
    samples.readable(source)
    record = server.ready(name, source)
    shutil.copy(big, source)
    samples.readable(source)
    watcher = server.begin_command("reprocess", name, "--watch")
    watcher.wait_for_loading()
    assert server.cli("cancel", name).code == 0
    assert watcher.end(60) == 1, "what was waited for was cancelled"
    after = server.record(name)
    assert after["status"] == "ready" and after["result"] == record["result"]
    assert after["last_operation"]["state"] == "cancelled"
    assert is_served(server, after) == (200, 200, True)
    server.wait_until_clean()
    assert len(tables_of(server, record)) == 1


def test_a_killed_server_goes_on_with_an_update(victim: Server, folder: Path, big: Path, name: str):
    source = folder / "places.gpkg"
    samples.ogr2ogr("-f", "GPKG", source, write(folder / "few.geojson", 7, "first"))
    samples.readable(source)
    victim.ready(name, source)
    shutil.copy(big, source)
    samples.readable(source)
    watcher = victim.begin_command("reprocess", name, "--watch")
    watcher.wait_for_loading()
    victim.kill9()
    victim.start()
    assert watcher.end(240) == 0
    after = victim.record(name)
    assert after["status"] == "ready" and after["operation"]["state"] == "succeeded"
    assert after["result"]["feature_count"] > 7
    assert is_served(victim, after) == (200, 200, True)
