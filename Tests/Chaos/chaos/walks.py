"""Fail points: the server dies at every statement boundary of a transaction, one after another, and each heir goes on.

The boundaries are not listed: a walk raises the statement's number until the server survives, so a statement that is added is
covered by itself. Each heir is armed with the next boundary and recovers what its predecessor left until it dies there.
"""

import itertools
import time

from support.waiting import until

from .arena import PATIENCE, Arena
from .checks import Findings, look_at_processes, look_at_rows, look_for_leftovers
from .moments import TERMINAL

# Wherever the server dies, each of these finds nothing: what is served, what is said and what is kept are of one transaction.
_TORN = """
  SELECT format('dataset %s is %s and its operation %s', d.pk, d.state, o.state)
    FROM datasets.datasets d JOIN coremachine.operations o USING (operation_id)
    WHERE (d.published_build IS NOT DISTINCT FROM o.operation_id) <> (o.state = 'SUCCEEDED') AND d.state IN ('DRAFT', 'PUBLISHED')
  UNION ALL
  SELECT format('dataset %s is %s with %s live routes', d.pk, d.state, n)
    FROM datasets.datasets d, LATERAL (SELECT count(*) n FROM serving.routes r
      WHERE r.dataset_pk = d.pk AND r.preview_token_sha256 IS NULL) r
    WHERE n <> (d.state IN ('PUBLISHED', 'DEPRECATED'))::int
  UNION ALL
  SELECT format('dataset %s is %s with %s STAC items', d.pk, d.state, n)
    FROM datasets.datasets d, LATERAL (SELECT count(*) n FROM pgstac.items i
      WHERE i.collection = d.publication->'stac'->'item'->>'collection' AND i.id = d.publication->'stac'->'item'->>'id') i
    WHERE d.publication IS NOT NULL AND n <> (d.state IN ('PUBLISHED', 'DEPRECATED'))::int
  UNION ALL
  SELECT format('dataset %s is %s and a table of it %s', d.pk, d.state, l.state)
    FROM datasets.datasets d JOIN coremachine.ledger l ON l.subject = d.pk AND l.kind = 'table'
    WHERE (d.state = 'PUBLISHED' AND l.operation_id = d.published_build AND l.state <> 'LIVE')
      OR (d.state = 'PUBLISHED' AND l.operation_id <> d.published_build AND l.state = 'LIVE')
      OR (d.state IN ('DRAFT', 'PURGED') AND l.state = 'LIVE')
  UNION ALL
  SELECT format('dataset %s has %s events %s of operation %s', dataset_pk, count(*), move, operation_id)
    FROM datasets.events WHERE move IN ('publish', 'purge', 'finish_purge') GROUP BY dataset_pk, move, operation_id
    HAVING count(*) > 1
  UNION ALL
  SELECT format('stage %s has %s tasks left and says %s', s.stage_id, n, s.remaining)
    FROM coremachine.stages s, LATERAL (SELECT count(*) n FROM coremachine.tasks t
      WHERE t.stage_id = s.stage_id AND t.state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) t WHERE n <> s.remaining
  UNION ALL
  SELECT format('operation %s has step %s %s times', operation_id, step, count(*))
    FROM coremachine.jobs GROUP BY operation_id, step HAVING count(*) > 1
"""


class Walk:
    """One transaction: how it comes about, and when it is over."""

    # Of the fail points `<transaction>.statement.N`, `.commit`, …
    transaction: str
    # Boundaries beside the statements; `name:2` is the second arrival.
    others = ("commit", "committed")
    # Statements there are at least: fewer means that the walk did not get there.
    at_least: int

    def __init__(self, arena: Arena):
        self.arena = arena
        self.name: str | None = None
        self.deaths: list[str] = []
        self.torn: list[str] = []

    # A kind of transaction

    def prepare(self) -> None:
        """Once, before the first server is armed."""

    def set_up(self) -> None:
        """A dataset in the state before, on an armed server: made where there is none."""
        raise NotImplementedError

    def begin(self) -> None:
        """Causes the transaction, unless an heir goes on with it by itself. Does not wait."""

    def is_over(self) -> bool:
        """The transaction, and what it leads to, have happened."""
        raise NotImplementedError

    def is_under_way(self) -> bool:
        """An heir goes on by itself."""
        return False

    # The walk

    def run(self) -> int:
        """Dies everywhere; answers the number of boundaries."""
        self.prepare()
        for number in itertools.count(1):
            if not self.dies_at(f"statement.{number}"):
                break
        assert number > self.at_least, f"{self.transaction} died at {number - 1} statements only"
        for other in self.others:
            # An heir may find only the rest to do, in fewer runs than the boundary counts: then once more, from the start.
            again = ":" in other
            assert self.dies_at(other) or (again and self.dies_at(other)), f"{self.transaction} was not killed at {other}"
        return len(self.deaths)

    def dies_at(self, boundary: str) -> bool:
        """One life of the server, armed with one boundary."""
        if self.arena.is_running:
            self.arena.server.kill9()
        place = f"{self.transaction}.{boundary}"
        self.arena.launch(f"{place}=kill")
        begun = False

        def ended() -> str | None:
            nonlocal begun
            if not self.arena.is_running:
                return "died"
            if self.arena.server.endpoint.get("pid") != self.arena.server.process.pid:
                return None
            if not begun:
                begun = True
                if not self.is_under_way():
                    self.set_up()
                    self.begin()
            if not self.is_over():
                return None
            if boundary.startswith("committed"):
                # Others see the commit before the server hears of it, and only then does it die.
                deadline = time.monotonic() + PATIENCE
                while self.arena.is_running and time.monotonic() < deadline:
                    time.sleep(0.01)
            return "over" if self.arena.is_running else "died"

        died = until(ended, f"the server dies at {place}, or gets past it", PATIENCE, every=0.02) == "died"
        if died:
            code = self.arena.server.process.wait()
            assert code == -9, f"{place}: terraned ended with {code}: {self.arena.server.log[-2000:]}"
            self.deaths.append(place)
            self.torn += [f"{place}: {what}" for (what,) in self.arena.rows(_TORN)]
        return died

    def finish(self) -> Findings:
        """A server without fail points ends what is left."""
        findings = Findings(other=list(self.torn))
        self.arena.restart()
        until(lambda: not self.is_under_way() or self.is_over(), f"{self.transaction} ends by itself", PATIENCE, every=0.05)
        self.look(findings)
        look_for_leftovers(self.arena, findings)
        look_at_processes(self.arena, findings)
        findings.other += [what for (what,) in self.arena.rows(_TORN)]
        return findings

    def look(self, findings: Findings) -> None:
        """What became of the dataset."""

    # Parts

    def create(self) -> None:
        self.name = self.arena.new_name()
        answer = self.arena.server.cli("create", self.name, "--type", "vector", "--source", str(self.arena.small.path))
        assert answer.code == 0, f"create: {answer}"

    def ready(self) -> None:
        self.create()
        until(lambda: self.state() == "PUBLISHED", "the dataset is READY", PATIENCE)

    def state(self) -> str | None:
        """The dataset's, of its newest life; None: there is none yet."""
        if self.name is None:
            return None
        rows = self.arena.rows(
            "SELECT state FROM datasets.datasets WHERE resource_id = %s ORDER BY generation DESC LIMIT 1", self.name.split("/")[1]
        )
        return rows[0][0] if rows else None


class Publishing(Walk):
    """The completion of `verify`: route, STAC item, state, ledger, result."""

    transaction = "publish"
    others = ("marked", "commit", "committed")
    at_least = 4

    def set_up(self) -> None:
        self.create()

    def is_under_way(self) -> bool:
        return self.state() == "DRAFT"

    def is_over(self) -> bool:
        return self.state() == "PUBLISHED"

    def look(self, findings: Findings) -> None:
        look_at_rows(self.arena, self.name, self.arena.small, findings)


class Completing(Publishing):
    """The completion batch of the steps before."""

    transaction = "completion"
    at_least = 2


class Reprocessing(Walk):
    """The move `reprocess`, by which a new build begins beside the one that is served."""

    transaction = "reprocess"
    at_least = 4
    # The operation before.
    _before = 0

    def prepare(self) -> None:
        """What is served must be made before the server is armed: it is published by the same transaction."""
        self.arena.restart()
        self.ready()

    def set_up(self) -> None:
        until(lambda: self.operation()[1] in TERMINAL, "the build before has ended", PATIENCE)
        self._before, _ = self.operation()

    def begin(self) -> None:
        self._caller = self.arena.server.begin_command("reprocess", self.name)

    def is_over(self) -> bool:
        return self.operation()[0] != self._before

    def operation(self) -> tuple[int, str]:
        """The newest one of the dataset, and its state."""
        [newest] = self.arena.rows(
            "SELECT o.operation_id, o.state FROM datasets.datasets d JOIN coremachine.operations o USING (operation_id)"
            " WHERE d.resource_id = %s", self.name.split("/")[1],
        )  # fmt: skip
        return newest

    def look(self, findings: Findings) -> None:
        until(lambda: self.operation()[1] in TERMINAL, "the build ends", PATIENCE)
        if (state := self.operation()[1]) != "SUCCEEDED":
            findings.other.append(f"the build of {self.name} ended {state}")
        look_at_rows(self.arena, self.name, self.arena.small, findings)
        assert self.arena.server.cli("delete", self.name, "--purge").code == 0


class Replacing(Reprocessing):
    """The completion of an update: the new build is served, the one before is doomed."""

    transaction = "publish"
    others = ("marked", "commit", "committed")
    at_least = 4

    def is_under_way(self) -> bool:
        return self.operation()[1] not in TERMINAL

    def is_over(self) -> bool:
        number, state = self.operation()
        return number != self._before and state == "SUCCEEDED"


class Deleting(Walk):
    """The move `delete`."""

    transaction = "delete"
    at_least = 5

    def set_up(self) -> None:
        if self.state() == "DELETED":
            assert self.arena.server.cli("undelete", self.name).code == 0
        elif self.state() != "PUBLISHED":
            self.ready()

    def begin(self) -> None:
        self._caller = self.arena.server.begin_command("delete", self.name)

    def is_over(self) -> bool:
        return self.state() == "DELETED"

    def look(self, findings: Findings) -> None:
        if self.state() != "DELETED":
            findings.other.append(f"{self.name} is {self.state()} after a delete that was committed")
        assert self.arena.server.cli("undelete", self.name).code == 0
        look_at_rows(self.arena, self.name, self.arena.small, findings)


class Purging(Walk):
    """The move `purge`."""

    transaction = "purge"
    at_least = 4

    def set_up(self) -> None:
        if self.state() == "DELETED":
            return
        self.ready()
        assert self.arena.server.cli("delete", self.name).code == 0

    def begin(self) -> None:
        self._caller = self.arena.server.begin_command("purge", self.name)

    def is_under_way(self) -> bool:
        return self.state() == "PURGING"

    def is_over(self) -> bool:
        return self.state() == "PURGED"

    def look(self, findings: Findings) -> None:
        if self.state() != "PURGED":
            findings.other.append(f"{self.name} is {self.state()} after its purge")


class PurgeDuty(Purging):
    """The duty that ends a purge, over all its runs."""

    transaction = "purge_duty"
    others = ("commit", "committed", "commit:2", "committed:2")
    at_least = 5


WALKS = (Publishing, Completing, Reprocessing, Replacing, Deleting, Purging, PurgeDuty)
