"""One round: a load, a fault at its moment, recovery, and a look at everything."""

import random
import time
from dataclasses import dataclass, field

from support.waiting import until

from .arena import PATIENCE, Arena
from .checks import Findings, known_reasons, look_at_processes, look_at_rows, look_for_leftovers
from .faults import KINDS, Fault
from .ways import Create, drawn


@dataclass
class Outcome:
    """What a round came to."""

    kind: str
    moment: str
    way: str = ""
    victim: str = ""
    # READY by itself; FAILED with its reason and READY by a retry; "missed": the load did not meet the fault.
    ended: str = ""
    seconds: float = 0
    findings: Findings = field(default_factory=Findings)

    @property
    def is_clean(self) -> bool:
        return self.findings.is_clean


def plan(seed: int, rounds: int, every_kind: bool = False) -> list[tuple[type[Fault], int]]:
    """Kinds with a seed for each round, so that a round can be repeated alone."""
    draw = random.Random(seed)
    weights = [kind.weight for kind in KINDS]
    kinds = [kind.fault for kind in KINDS] if every_kind else draw.choices([kind.fault for kind in KINDS], weights, k=rounds)
    return [(kind, draw.randrange(1 << 32)) for kind in kinds]


def play(arena: Arena, kind: type[Fault], seed: int) -> Outcome:
    """Never raises for what the product did: that is in the findings."""
    began = time.monotonic()
    draw = random.Random(seed)
    fault = kind(arena, draw)
    way = drawn(draw, arena, arena.new_name(), fault.source)
    outcome = Outcome(kind.__name__, str(fault.moment), str(way))
    try:
        _play(arena, fault, way, outcome)
    except Exception as error:  # whatever it was, the round is not clean, and the next needs a server
        outcome.findings.other.append(f"{type(error).__name__}: {error}")
        _recover(arena)
    finally:
        way.abandon()
    outcome.victim = fault.victim
    outcome.seconds = time.monotonic() - began
    return outcome


def _play(arena: Arena, fault: Fault, way: Create, outcome: Outcome) -> None:
    fault.prepare()
    load = way.begin()
    try:
        struck = load.wait_for(fault.moment) and fault.strike(load)
        if struck:
            fault.mend()
        state = load.settle()
    finally:
        fault.after(load)
    outcome.ended = "READY" if struck and fault.was_met else "missed"
    wait_until_well(arena)
    if state != "SUCCEEDED":
        outcome.ended = try_again(arena, fault, way, outcome.findings)
    look_at_rows(arena, way.name, way.source, outcome.findings)
    way.end(outcome.findings)
    # The next round's time is not spent on this one's rows.
    purge(arena, way.name)
    look_for_leftovers(arena, outcome.findings)
    look_at_processes(arena, outcome.findings)


def wait_until_well(arena: Arena) -> None:
    def is_well() -> bool:
        assert arena.is_running, f"terraned ended with {arena.server.process.returncode}: {arena.server.log[-2000:]}"
        return arena.server.cli("health", "--timeout", "5").code == 0

    until(is_well, "the server is well", PATIENCE, every=0.1)


def try_again(arena: Arena, fault: Fault, way: Create, findings: Findings) -> str:
    """A failure has a reason that users find in the table, allowed for this fault; then what its remedy says works."""
    problem = way.problem()
    reason = problem.get("reason", "")
    if reason not in known_reasons() or reason not in fault.may_fail or not problem.get("remedy"):
        findings.other.append(f"failed with {problem}")
    answer = arena.server.cli(way.again, way.name, "--watch", timeout=PATIENCE)
    if answer.code != 0:
        findings.other.append(f"{way.again}: exit {answer.code}, {answer.problem} {answer.err[-300:]}")
    return f"{reason}, retried"


def purge(arena: Arena, name: str) -> None:
    answer = arena.server.cli("delete", name, "--purge")
    assert answer.code == 0, f"delete --purge: {answer}"


def _recover(arena: Arena) -> None:
    """So that one round's trouble is not the next one's."""
    arena.scratch_disk.free()
    arena.database_disk.free()
    arena.restart()
