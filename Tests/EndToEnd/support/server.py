"""A terraned of our own: started, spoken to through the command line, killed, looked into."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import requests

from . import processes
from .processes import Process
from .waiting import until

CHECKOUT = Path(__file__).parents[3]
CONFIGURATION = os.environ.get("TERRANE_BUILD", "debug")
AS_ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Installation:
    """Programs and what they need, where the server's user can reach them."""

    programs: Path
    environment: dict[str, str]

    @classmethod
    def stage(cls, folder: Path, configuration: str = CONFIGURATION) -> "Installation":
        """As root a copy, since the server becomes user terrane; else the build itself."""
        if not AS_ROOT:
            place = subprocess.run(
                ["swift", "build", "-c", configuration, "--show-bin-path"],
                cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            return cls(Path(place.stdout.strip()), {"TERRANE_SHARE": str(CHECKOUT)})
        subprocess.run(["scripts/install", str(folder), configuration], cwd=CHECKOUT, check=True, timeout=300)
        runtime = folder / "lib"
        return cls(folder / "bin", {"LD_LIBRARY_PATH": str(runtime)} if runtime.is_dir() else {})

    def command(self, program: str) -> str:
        return str(self.programs / program)

    def run(self, program: str, *arguments: str, **more) -> subprocess.CompletedProcess[str]:
        environment = {**_environment(), **self.environment, **more.pop("env", {})}
        return subprocess.run(
            [self.command(program), *arguments], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=more.pop("timeout", 60), **more,
        )  # fmt: skip


def _environment() -> dict[str, str]:
    """Ours, without settings that would steer the programs under test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TERRANE_")}


@dataclass
class Answer:
    """What a run of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    @property
    def last(self) -> dict:
        assert self.lines, f"no JSON came: exit {self.code}, {self.out!r} {self.err!r}"
        return self.lines[-1]

    @property
    def problem(self) -> dict:
        """Of a refused call, or of the record or status that was printed last."""
        last = self.last
        if "error" in last:
            return last["error"]["problem"]
        return last.get("status", last).get("problem") if isinstance(last.get("status"), dict) else last.get("problem")


@dataclass
class Watcher:
    """`terrane watch --json` (or `create --watch --json`) under way; `events` grow as they come."""

    process: subprocess.Popen
    lines: list[dict] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        def collect(stream, take: Callable[[str], None]) -> None:
            for line in stream:
                take(line)

        self._threads = [
            threading.Thread(target=collect, args=(self.process.stdout, lambda line: self.lines.append(json.loads(line)))),
            threading.Thread(target=collect, args=(self.process.stderr, self.errors.append)),
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    @property
    def events(self) -> list[dict]:
        return [line for line in list(self.lines) if "seq" in line]

    @property
    def statuses(self) -> list[dict]:
        return [event["status"] for event in self.events]

    def wait_for(self, what: str, condition: Callable[[dict], bool], seconds: float = 60) -> dict:
        """The first event whose status fulfils the condition."""

        def look() -> dict | None:
            for event in self.events:
                if condition(event["status"]):
                    return event
            assert self.process.poll() is None, f"the watch ended before {what}: {self.events[-1:]} {self.errors}"
            return None

        return until(look, what, seconds, every=0.02)

    def wait_for_loading(self, seconds: float = 90) -> dict:
        """Rows are being loaded."""
        return self.wait_for("loading", lambda s: s["progress"]["step"] == "ingest_vector" and s["progress"]["unit"] == "rows"
            and s["progress"]["done"] > 0, seconds)  # fmt: skip

    def end(self, seconds: float = 120) -> int:
        code = self.process.wait(timeout=seconds)
        for thread in self._threads:
            thread.join(timeout=10)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.end()


class Server:
    """One data directory and the terraned on it."""

    def __init__(self, installation: Installation, place: Path, roots: list[Path], *options: str):
        self.installation = installation
        self.place = place
        self.data = place / "data"
        self.roots = roots
        self.options = options
        self.log_path = place / "server.log"
        # Of terraned's environment alone: fail points, a preloaded library. Taken at the next launch.
        self.environment: dict[str, str] = {}
        # The same ports after a restart, as a server in earnest has.
        self.rpc_port, self.http_port = _free_ports(2)
        # What starts it, such as nice: a program that becomes what it starts.
        self.wrapper: list[str] = []
        self.process: subprocess.Popen | None = None
        self._watchers: list[subprocess.Popen] = []

    # Life

    def arguments(self) -> list[str]:
        roots = [word for root in self.roots for word in ("--root", str(root))]
        return [
            "--data", str(self.data), *roots, "--listen", f"127.0.0.1:{self.rpc_port}",
            "--data-api", f"127.0.0.1:{self.http_port}", *self.options,
        ]  # fmt: skip

    def launch(self) -> None:
        """Starts terraned, and does not wait for it."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, self.installation.command("terraned"), *self.arguments()],
                env={**_environment(), **self.installation.environment, **self.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            )  # fmt: skip

    def start(self, seconds: float = 120) -> "Server":
        self.launch()
        return self.wait_until_ready(seconds)

    def wait_until_ready(self, seconds: float = 120) -> "Server":
        def ready() -> bool:
            assert self.process.poll() is None, f"terraned ended with {self.process.returncode}:\n{self.log[-3000:]}"
            return self.endpoint.get("pid") == self.process.pid

        until(ready, "terraned is ready", seconds)
        return self

    def kill9(self) -> None:
        """As a crash: no chance to clean up."""
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self, seconds: float = 60) -> int:
        """As an init system: SIGTERM, and wait. Its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def restart(self) -> "Server":
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def destroy(self) -> None:
        """Ends all that is left of it, by process id, and removes its files."""
        for watcher in self._watchers:
            if watcher.poll() is None:
                watcher.kill()
                watcher.wait(timeout=10)
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill9()
        for process in processes.that_know(self.data):
            process.kill()
        until(lambda: not processes.that_know(self.data), "its processes are gone", 20)
        shutil.rmtree(self.data, ignore_errors=True)

    # Looking into it

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def endpoint(self) -> dict:
        try:
            return json.loads((self.data / "run/endpoint.json").read_text())
        except (OSError, ValueError):
            return {}

    @property
    def public_url(self) -> str:
        return self.endpoint["public_url"]

    def children_named(self, *words: str) -> list[Process]:
        """Running children of terraned whose command line has one of the words."""
        found = processes.children(self.process.pid)
        return [p for p in found if p.is_running and any(word in p.command for word in words)]

    @property
    def tasks(self) -> list[Process]:
        return self.children_named("terrane-task")

    @property
    def postmaster(self) -> Process:
        text = (self.data / "postgresql/cluster/postmaster.pid").read_text()
        process = Process.of(int(text.splitlines()[0]))
        assert process, "postmaster.pid names no process"
        return process

    def processes(self) -> list[Process]:
        """All that runs for this data directory."""
        return processes.that_know(self.data)

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """The private cluster as its superuser: to assert by state, never to change it."""
        socket_folder = self.data / "postgresql/socket"
        password = (self.data / "postgresql/superuser.password").read_text().strip()
        with psycopg.connect(
            host=str(socket_folder), port=5432, dbname="terrane", user="postgres", password=password,
            application_name="tests", autocommit=True, connect_timeout=10,
        ) as connection:  # fmt: skip
            yield connection

    def rows(self, sql: str, *parameters) -> list[tuple]:
        with self.database() as connection:
            return connection.execute(sql, parameters or None).fetchall()

    def value(self, sql: str, *parameters):
        return self.rows(sql, *parameters)[0][0]

    def get(self, url: str, **more) -> requests.Response:
        """An HTTP GET; a path is looked up below the public URL."""
        if not url.startswith("http"):
            url = self.public_url + url
        return requests.get(url, timeout=30, **more)

    # The command line

    def cli(self, *arguments: str, timeout: float = 120, json_output: bool = True, env: dict | None = None) -> Answer:
        words = [*arguments, "--json"] if json_output else list(arguments)
        done = self.installation.run("terrane", *words, env={"TERRANE_DATA": str(self.data), **(env or {})}, timeout=timeout)
        return Answer(done.returncode, done.stdout, done.stderr)

    def create(self, name: str, source: Path | str, *options: str, timeout: float = 120) -> Answer:
        return self.cli("create", name, "--source", str(source), *options, "--watch", timeout=timeout)

    def record(self, name: str, *options: str) -> dict:
        answer = self.cli("get", name, *options)
        assert answer.code == 0, answer
        return answer.last

    def ready(self, name: str, source: Path | str, *options: str, timeout: float = 120) -> dict:
        """Makes a dataset, which must become READY; its record."""
        answer = self.create(name, source, *options, timeout=timeout)
        assert answer.code == 0, f"{name}: {answer.code} {answer.problem} {answer.err}"
        record = self.record(name)
        assert record["status"] == "ready", record
        return record

    def begin_command(self, *words: str) -> Watcher:
        """A command of the command line that is not waited for."""
        return self._watch(list(words))

    def _watch(self, words: list[str]) -> Watcher:
        process = subprocess.Popen(
            [self.installation.command("terrane"), *words, "--json"],
            env={**_environment(), **self.installation.environment, "TERRANE_DATA": str(self.data)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._watchers.append(process)
        return Watcher(process)

    def begin(self, name: str, source: Path | str, *options: str) -> Watcher:
        """Makes a dataset and watches it."""
        return self._watch(["create", name, "--source", str(source), *options, "--watch"])

    def watch(self, name: str, *options: str) -> Watcher:
        return self._watch(["watch", name, *options])

    def scan(self) -> dict:
        answer = self.cli("admin", "scan")
        assert answer.code == 0, answer
        return answer.last

    def wait_until_clean(self, seconds: float = 30) -> dict:
        """Ledger and reality agree both ways, and nothing is left whose time has come."""

        def clean() -> dict | None:
            self._last_scan = self.scan()
            left = self.rows(
                "SELECT kind, identifier FROM coremachine.ledger l WHERE state = 'INTENT'"
                " OR (state = 'DOOMED' AND (failures > 0 OR doom_at <= clock_timestamp()) AND (bytes IS NULL OR NOT EXISTS"
                " (SELECT FROM coremachine.holds h WHERE h.subject = l.subject AND h.operation_id = l.operation_id"
                " AND (h.until IS NULL OR h.until > clock_timestamp()))))"
            )
            return None if self._last_scan["unexpected"] or self._last_scan["missing"] or left else self._last_scan

        try:
            return until(clean, "ledger and reality agree", seconds, every=0.25)
        except AssertionError as error:
            left = self.rows("SELECT * FROM coremachine.ledger WHERE state NOT IN ('GONE', 'LIVE')")
            raise AssertionError(f"{error}: {self._last_scan}, ledger {left}") from None


def _free_ports(count: int) -> list[int]:
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()
