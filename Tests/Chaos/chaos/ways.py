"""What a fault strikes: a dataset that is made, of one layer or several, or one that is built again while it is read."""

import itertools
import random
import shutil
import threading
import time

import requests

from .arena import Arena, Source
from .checks import Findings
from .moments import Load


class Create:
    """A new dataset."""

    # What a user calls after a failure, and where the record tells of it.
    again = "retry"

    def __init__(self, arena: Arena, name: str, source: Source):
        self.arena, self.name, self.source = arena, name, source

    def begin(self) -> Load:
        self._call("create", self.name, "--type", "vector", "--source", str(self.source.path))
        return self._load()

    def problem(self) -> dict:
        return self.arena.server.record(self.name).get("problem") or {}

    def end(self, findings: Findings) -> None:
        """Once it is served as it should be."""

    def abandon(self) -> None:
        """Whatever happened: nothing of it runs on."""

    def __str__(self) -> str:
        return "create" if self.source.layers == 1 else f"create of {self.source.layers} layers"

    def _call(self, *words: str) -> None:
        answer = self.arena.server.cli(*words)
        assert answer.code == 0, f"{words[0]}: {answer}"

    def _load(self) -> Load:
        return Load(self.arena, self.arena.server.record(self.name)["dataset_key"], self.source)


class Reprocess(Create):
    """A dataset that is served, and whose file is then another: the old one is served until the new one is, whole."""

    again = "reprocess"
    _reader: "Reader | None" = None

    def begin(self) -> Load:
        few, path = self.arena.few, self.arena.changing
        shutil.copy2(few.path, path)
        self._call("create", self.name, "--type", "vector", "--source", str(path), "--watch")
        [collection] = self.arena.server.record(self.name)["result"]["collections"]
        self._reader = Reader(collection["items_url"])
        shutil.copy2(self.source.path, path)
        self._reader.start()
        self._call("reprocess", self.name)
        return self._load()

    def problem(self) -> dict:
        record = self.arena.server.record(self.name)
        return record.get("last_operation", {}).get("problem") or {}

    def end(self, findings: Findings) -> None:
        self.abandon()
        counts = [count for count, _ in itertools.groupby(self._reader.counts)]
        if counts not in ([self.arena.few.features], [self.arena.few.features, self.source.features]):
            findings.other.append(f"while it was built again, {counts} features were served")
        if self._reader.gone:
            findings.other.append(f"{self._reader.gone} times it was not there while it was built again")

    def abandon(self) -> None:
        if self._reader:
            self._reader.stop()

    def __str__(self) -> str:
        return "reprocess"


class Reader:
    """Counts what is served, over and over. A data API that is down, or has no database, may say so; nothing else is allowed."""

    def __init__(self, url: str):
        self._url = url
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.counts: list[int] = []
        self.gone = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                answer = requests.get(self._url, params={"limit": 1}, timeout=5)
                if answer.status_code == 200:
                    self.counts.append(answer.json()["numberMatched"])
                elif answer.status_code < 500:
                    self.gone += 1
            except (requests.RequestException, OSError):
                pass
            # A reader among others, not a load of its own; nothing is waited for.
            time.sleep(0.02)


def drawn(random: random.Random, arena: Arena, name: str, source: Source) -> Create:
    """Of a fault's source; where that is the usual one, all ways are drawn."""
    if source is not arena.large:
        return Create(arena, name, source)
    way, source = random.choice([(Create, arena.large), (Create, arena.layered), (Reprocess, arena.large)])
    return way(arena, name, source)
