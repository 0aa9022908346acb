"""When a fault strikes: drawn from a seed, then waited for by what the database says of the load."""

import random
import time
from dataclasses import dataclass

import psycopg

from .arena import PATIENCE, Arena, Source

STEPS = ("probe", "ingest_vector", "stac_catalog_vectors", "verify")
TERMINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Moment:
    """A share of the rows copied (`step` is "copy"), or milliseconds after a step's task was seen running."""

    step: str
    share: float = 0
    milliseconds: int = 0

    def __str__(self) -> str:
        return f"{self.share:.0%} copied" if self.step == "copy" else f"{self.step} +{self.milliseconds} ms"

    @classmethod
    def drawn(cls, random: random.Random, *steps: str) -> "Moment":
        """Half of them in the copy, where most of a load's time goes."""
        if (not steps or "copy" in steps) and random.random() < 0.5:
            return cls("copy", share=random.uniform(0.02, 0.98))
        return cls(random.choice([step for step in steps or STEPS if step != "copy"] or STEPS), milliseconds=random.randrange(0, 400))


class Load:
    """A dataset on its way, seen through the database."""

    def __init__(self, arena: Arena, key: str, source: Source):
        self._arena = arena
        self._source = source
        # The tables a copy was seen into, one for each layer and each attempt.
        self._tables: set[int] = set()
        [(self.pk, self.operation)] = arena.rows(
            "SELECT pk, operation_id FROM datasets.datasets WHERE key = %s AND state <> 'PURGED'", bytes.fromhex(key)
        )

    _SEEN = """
        SELECT o.state,
          (SELECT j.job_type FROM coremachine.jobs j JOIN coremachine.stages s USING (job_id)
             JOIN coremachine.tasks t USING (stage_id)
             WHERE j.operation_id = o.operation_id AND t.state = 'RUNNING' LIMIT 1),
          (SELECT ARRAY[relid::bigint, tuples_processed] FROM pg_stat_progress_copy WHERE command = 'COPY FROM' LIMIT 1)
        FROM coremachine.operations o WHERE o.operation_id = %s
    """

    def wait_for(self, moment: Moment) -> bool:
        """True at the moment, False where the load had ended before it."""
        deadline = time.monotonic() + PATIENCE
        with self._arena.server.database() as connection:
            while time.monotonic() < deadline:
                state, step, copying = connection.execute(self._SEEN, (self.operation,)).fetchone()
                if state in TERMINAL:
                    return False
                if moment.step == "copy":
                    if self._copied(copying) >= moment.share:
                        return True
                    if step in STEPS[2:]:
                        # The copy was over between two looks.
                        return True
                elif step is not None and STEPS.index(step) >= STEPS.index(moment.step):
                    # The one wait for time there is: a moment between two states is what is tested.
                    time.sleep(moment.milliseconds / 1000)
                    return True
                time.sleep(0.002)
        raise AssertionError(f"{moment} did not come")

    def _copied(self, copying: list[int] | None) -> float:
        """The share of the source's rows: all those of the tables before, and what is said of this one's."""
        if copying is None:
            return 0
        table, rows = copying
        self._tables.add(table)
        return ((len(self._tables) - 1) / self._source.layers) + rows / self._source.features

    @property
    def state(self) -> str:
        """Of the operation; the one of now, after a retry."""
        sql = """SELECT o.state FROM datasets.datasets d JOIN coremachine.operations o USING (operation_id) WHERE d.pk = %s"""
        return self._arena.value(sql, self.pk)

    def settle(self, seconds: float = PATIENCE) -> str:
        """The state in which the operation ended by itself."""
        deadline = time.monotonic() + seconds
        while (state := self.state) not in TERMINAL:
            if time.monotonic() > deadline:
                where = self._arena.rows(
                    "SELECT j.job_type, t.state, t.attempt, t.failures, t.lost_leases, t.problem FROM coremachine.jobs j"
                    " JOIN coremachine.stages s USING (job_id) JOIN coremachine.tasks t USING (stage_id)"
                    " WHERE j.operation_id = %s ORDER BY j.step", self.operation,
                )  # fmt: skip
                raise AssertionError(
                    f"not within {seconds:g} s: the operation ends (it is {state}; tasks {where})\n{self._arena.sessions()}"
                )
            time.sleep(0.05)
        return state


def is_database_up(arena: Arena) -> bool:
    try:
        return arena.server.value("SELECT 1") == 1
    except (psycopg.OperationalError, OSError):
        return False
