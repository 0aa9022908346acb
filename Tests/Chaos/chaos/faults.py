"""Kinds of faults. Each strikes once in a load of its own; `mend` undoes what would not undo itself (space on a disk, a server
that is not running): everything else the product must do alone."""

import random
import signal
import threading
import time
from dataclasses import dataclass

import psycopg
from support.processes import Process
from support.waiting import until

from .arena import PATIENCE, Arena, Source
from .moments import Load, Moment


class Fault:
    """One stroke, drawn from a seed."""

    # Reasons by which the load may fail for good; a retry must then work.
    may_fail: frozenset[str] = frozenset()

    def __init__(self, arena: Arena, random: random.Random):
        self.arena = arena
        self.random = random
        self.moment = self.draw()
        # What was hit, for the report.
        self.victim = ""
        # Whether the load met it at all.
        self.was_met = True

    def draw(self) -> Moment:
        return Moment.drawn(self.random)

    @property
    def source(self) -> Source:
        return self.arena.large

    def prepare(self) -> None:
        """Before the load is asked for."""

    def strike(self, load: Load) -> bool:
        """At the moment; False where there was nothing to hit any more."""
        raise NotImplementedError

    def mend(self) -> None:
        """After the stroke, before the load is waited for."""

    def after(self, load: Load) -> None:
        """After the load has ended."""


class ServerKilled(Fault):
    """kill -9 of terraned; started again."""

    def strike(self, load: Load) -> bool:
        self.arena.server.kill9()
        return True

    def mend(self) -> None:
        self.arena.start()


class TaskKilled(Fault):
    """kill -9 of a terrane-task."""

    def strike(self, load: Load) -> bool:
        for task in self.arena.server.tasks:
            self.victim = f"task {task.pid}"
            task.kill()
            return True
        return False


class BackendKilled(Fault):
    """kill -9 of one process of PostgreSQL, which then ends all sessions and recovers."""

    def strike(self, load: Load) -> bool:
        rows = self.arena.rows(
            "SELECT pid, coalesce(nullif(application_name, ''), backend_type) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND application_name <> 'tests' AND backend_type <> 'parallel worker' ORDER BY 2, 1"
        )
        pid, self.victim = self.random.choice(rows)
        process = Process.of(pid)
        if process:
            process.kill()
        return process is not None


class PostmasterKilled(Fault):
    """kill -9 of the postmaster; terraned starts another."""

    def strike(self, load: Load) -> bool:
        postmaster = self.arena.server.postmaster
        postmaster.kill()
        until(lambda: not postmaster.is_running, "the postmaster is dead", 10)
        return True


class DataAPIKilled(Fault):
    """kill -9 of the data API."""

    def strike(self, load: Load) -> bool:
        for process in self.arena.server.children_named("terrane_dataapi"):
            process.kill()
            return True
        return False


class TaskFrozen(Fault):
    """SIGSTOP of a terrane-task past its lease, which another attempt has by then; SIGCONT must change nothing.

    One server alone renews the lease of a child that is silent, for minutes, and a child does not outlive its server. So that
    the lease does end, it is handed to another engine here: the one place where a test writes to the database.
    """

    def draw(self) -> Moment:
        return Moment.drawn(self.random, "copy")

    def strike(self, load: Load) -> bool:
        tasks = self.arena.server.tasks
        if not tasks:
            return False
        [task, *_] = tasks
        task.kill(signal.SIGSTOP)
        until(lambda: task.state in ("T", None, "Z", "X"), "the task stands still", 10, every=0.001)
        taken = self.arena.rows(
            "UPDATE coremachine.leases SET engine = gen_random_uuid(), expires_at = '-infinity' WHERE operation_id = %s"
            " RETURNING task_id, attempt", load.operation,
        )  # fmt: skip
        if not taken:
            task.kill(signal.SIGCONT)
            return False
        [(number, attempt)] = taken
        self.victim = f"attempt {number}/{attempt}"

        def is_over() -> bool:
            return self.arena.value("SELECT attempt > %s OR state <> 'RUNNING' FROM coremachine.tasks WHERE task_id = %s", attempt, number)

        until(is_over, "the task is another attempt's", PATIENCE, every=0.02)
        task.kill(signal.SIGCONT)
        return True


class ServerFrozen(Fault):
    """SIGSTOP of terraned until its leases have run out, as when a machine sleeps; then SIGCONT."""

    def strike(self, load: Load) -> bool:
        self.arena.server.process.send_signal(signal.SIGSTOP)
        leased = "SELECT count(*) FROM coremachine.leases WHERE operation_id = %s AND expires_at > clock_timestamp()"
        try:
            until(lambda: self.arena.value(leased, load.operation) == 0, "the lease has run out", 60, every=0.1)
        finally:
            self.arena.server.process.send_signal(signal.SIGCONT)
        return True


class BackendFrozen(Fault):
    """SIGSTOP of the backend of a task whose server is then killed: the next server works around it; SIGCONT at the end.

    Where it waits for its client: elsewhere it may hold one of PostgreSQL's own short locks, and then the whole database stands
    still until it goes on, whoever uses it.
    """

    _frozen: Process | None = None

    def draw(self) -> Moment:
        return Moment("copy", share=self.random.uniform(0.02, 0.9))

    def strike(self, load: Load) -> bool:
        self._frozen = next(filter(None, (self._freeze(pid) for pid in self._backends())), None)
        if self._frozen:
            self.arena.server.kill9()
        return self._frozen is not None

    def _backends(self) -> list[int]:
        return [pid for (pid,) in self.arena.rows("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'terrane-task%%'")]

    def _freeze(self, pid: int) -> Process | None:
        """Stands still where it waits for its client; None where that was not met in two seconds."""
        deadline = time.monotonic() + 2
        with self.arena.server.database() as watcher:
            while (process := Process.of(pid)) and time.monotonic() < deadline:
                process.kill(signal.SIGSTOP)
                until(lambda: process.state in ("T", None, "Z", "X"), "the backend stands still", 10, every=0.0005)
                if self._waits_for_its_client(watcher, process):
                    self.victim = f"backend {pid}"
                    return process
                process.kill(signal.SIGCONT)
                time.sleep(self.random.uniform(0, 0.004))
        return None

    @staticmethod
    def _waits_for_its_client(watcher: psycopg.Connection, process: Process) -> bool:
        """A look that itself stands still means that the backend holds a lock of PostgreSQL's: it goes on at once."""
        sql = "SELECT coalesce(wait_event, '') = 'ClientRead' FROM pg_stat_activity WHERE pid = %s"
        release = threading.Timer(0.5, process.kill, [signal.SIGCONT])
        release.start()
        try:
            waits = watcher.execute(sql, (process.pid,)).fetchone()
        finally:
            release.cancel()
            release.join()
        return waits == (True,) and process.state == "T"

    def mend(self) -> None:
        self.arena.start()

    def after(self, load: Load) -> None:
        if self._frozen:
            self._frozen.kill(signal.SIGCONT)


class ScratchFull(Fault):
    """No space for scratch files, until the load has failed of it or a while has passed."""

    may_fail = frozenset({"DISK_FULL"})
    disk = property(lambda self: self.arena.scratch_disk)

    def draw(self) -> Moment:
        self.left = self.random.choice([0, self.random.randrange(0, 150_000)])
        self.seconds = self.random.choice([self.random.uniform(0.5, 5), PATIENCE])
        return Moment.drawn(self.random, "probe", "ingest_vector", "stac_catalog_vectors")

    @property
    def source(self) -> Source:
        return self.arena.wide

    def strike(self, load: Load) -> bool:
        self.disk.fill(self.left)
        self.victim = f"{self.left} B left"
        self._deadline = time.monotonic() + self.seconds
        return True

    def mend(self) -> None:
        """Space comes back after `seconds` of being short, or when the load has failed."""
        until(self._is_enough, "the load ends, or its time without space does", PATIENCE)
        self.disk.free()
        self.was_met = self.disk.refused > 0
        self.victim += f", {self.disk.refused} refused"

    def _is_enough(self) -> bool:
        if time.monotonic() > self._deadline:
            return True
        try:
            [(ended,)] = self.arena.server.rows(
                "SELECT ended_at IS NOT NULL FROM coremachine.operations ORDER BY operation_id DESC LIMIT 1"
            )
            return ended
        except (psycopg.OperationalError, OSError):
            return False


class DatabaseFull(ScratchFull):
    """No space for the database: statements are refused, or PostgreSQL panics for want of room for its log."""

    disk = property(lambda self: self.arena.database_disk)

    def draw(self) -> Moment:
        self.left = self.random.choice([0, self.random.randrange(0, 1 << 20), self.random.randrange(0, 6 << 20)])
        # Not for ever: while it is down, nothing can be written of a failure either.
        self.seconds = self.random.choice([self.random.uniform(0.5, 5), self.random.uniform(5, 20)])
        # Later steps write over what is there.
        return Moment.drawn(self.random, "copy", "probe", "ingest_vector")

    @property
    def source(self) -> Source:
        return self.arena.large


@dataclass(frozen=True)
class Kind:
    """A fault and how often it is drawn."""

    fault: type[Fault]
    weight: int

    @property
    def name(self) -> str:
        return self.fault.__name__


KINDS = (
    Kind(ServerKilled, 4),
    Kind(TaskKilled, 4),
    Kind(BackendKilled, 4),
    Kind(PostmasterKilled, 3),
    Kind(DataAPIKilled, 2),
    Kind(TaskFrozen, 2),
    Kind(ServerFrozen, 1),
    Kind(BackendFrozen, 1),
    Kind(ScratchFull, 3),
    Kind(DatabaseFull, 3),
)
