"""Where rounds happen: one server on one data directory, killed and recovered over and over, and its sources."""

import csv
import itertools
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from support import processes, samples
from support.server import AS_ROOT, Installation, Server

from .disk import FullDisk, build_library, wrapped_postgresql

# A fast server is no promise: on a busy machine, in a debug build, everything takes its time.
PATIENCE = 240


@dataclass(frozen=True)
class Source:
    """A file and the number of features in it, alike in each of its layers."""

    path: Path
    features: int
    layers: int = 1


class Arena:
    """A temporary folder with all of it; a context manager that leaves nothing, neither files nor processes."""

    def __init__(self, features: int):
        self.folder = Path(tempfile.mkdtemp(prefix="terrane-chaos-", dir="/tmp"))
        self.folder.chmod(0o755)
        self._numbers = itertools.count(1)
        self._features = features

    def __enter__(self) -> "Arena":
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self) -> None:
        installation = Installation.stage(self.folder / "app")
        sources = self.folder / "sources"
        sources.mkdir()
        sources.chmod(0o755)
        place = self.folder / "server"
        place.mkdir()
        place.chmod(0o755)
        if AS_ROOT:
            shutil.chown(place, "terrane")
        library = build_library(self.folder)
        data = place / "data"
        self.scratch_disk = FullDisk(library, data / "scratch", self.folder / "scratch.control")
        self.database_disk = FullDisk(library, data / "postgresql/cluster", self.folder / "database.control")
        wrappers = wrapped_postgresql(self.folder / "wrapped", self.database_disk)
        task = self.scratch_disk.wrapper(wrappers / "terrane-task", installation.command("terrane-task"))
        windows = ("--retry-window", "0", "--replaced-window", "1")
        self.server = Server(
            installation, place, [sources], *windows, "--task-program", str(task), "--postgres-bin", str(wrappers)
        )
        self.server.environment = dict(self.scratch_disk.environment)
        self.large = Source(samples.many_points(sources / "large.gpkg", self._features), self._features)
        self.layered = layers(sources / "layered.gpkg", self.large, 3)
        # Its layer has the same name, so what is made of it has the same address.
        (sources / "few").mkdir(mode=0o755)
        self.few = Source(samples.many_points(sources / "few/large.gpkg", 25), 25)
        # A copy of one, then of the other.
        self.changing = sources / "changing.gpkg"
        self.small = Source(samples.geojson(sources / "small.geojson", samples.places(25)), 25)
        self.wide = Source(wide_table(sources / "wide.csv", columns=900, rows=50), 50)

    def __exit__(self, *_) -> None:
        if hasattr(self, "server"):
            self.server.destroy()
        for process in processes.that_know(self.folder):
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_name(self) -> str:
        return f"chaos/d{next(self._numbers)}/v1"

    # The server

    def start(self, fail_point: str | None = None) -> None:
        self.launch(fail_point)
        self.server.wait_until_ready(PATIENCE)

    def launch(self, fail_point: str | None = None) -> None:
        """Starts terraned without waiting: with a fail point it may die before it is ready."""
        self.server.environment = dict(self.scratch_disk.environment)
        if fail_point:
            self.server.environment["TERRANE_FAILPOINT"] = fail_point
        self.server.launch()

    @property
    def is_running(self) -> bool:
        return self.server.process is not None and self.server.process.poll() is None

    def restart(self) -> None:
        """A server without fail points that runs, whatever ran before."""
        if self.is_running:
            self.server.kill9()
        self.start()

    # Its database, which may be away

    def rows(self, sql: str, *parameters, seconds: float = PATIENCE) -> list[tuple]:
        """As Server.rows, once the database answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.server.rows(sql, *parameters)
            except (psycopg.OperationalError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def sessions(self) -> str:
        """What the database's sessions wait for, where something takes too long."""
        try:
            rows = self.rows(
                "SELECT pid, application_name, state, coalesce(wait_event_type || '/' || wait_event, 'runs'),"
                " pg_blocking_pids(pid), left(regexp_replace(query, '\\s+', ' ', 'g'), 100) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY application_name, pid",
                seconds=5,
            )
        except Exception as error:
            return f"the sessions cannot be read: {error}"
        return "\n".join("    " + " | ".join(str(value) for value in row) for row in rows)

    def value(self, sql: str, *parameters):
        return self.rows(sql, *parameters)[0][0]


def layers(path: Path, source: Source, count: int) -> Source:
    """The rows of a source, dealt out to so many layers."""
    for n in range(count):
        how = ["-update"] if n else ["-f", "GPKG"]
        samples.ogr2ogr(*how, "-nln", f"part_{n}", "-where", f"number % {count} = {n}", "-lco", "SPATIAL_INDEX=NO", path, source.path)
    samples.readable(path)
    return Source(path, source.features, count)


def wide_table(path: Path, columns: int, rows: int) -> Path:
    """A table of so many columns that what is known of it does not fit into one report: a file in scratch hands it over."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["lon", "lat", *(f"measured_value_number_{n}" for n in range(columns))])
        for row in range(rows):
            table.writerow([row, row / 2, *range(columns)])
    samples.readable(path)
    return path
