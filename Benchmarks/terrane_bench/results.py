"""What a benchmark comes to: metrics with medians, bounds that are computed, and the raw samples."""

import json
import operator
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "results"
COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def holds(bound: str, values: dict[str, float | None]) -> bool | None:
    """Whether `ratio <= 0.7` or `ours <= 1.0` holds; None where there is no bound."""
    if not bound:
        return None
    word, comparison, limit = re.fullmatch(r"(ratio|ours) (<=|>=|<|>) ([0-9.]+)", bound).groups()
    value = values[word]
    return value is not None and COMPARISONS[comparison](value, float(limit))


class Results:
    """One benchmark's results while they come in."""

    def __init__(self, name: str, title: str, unfair: list[str], settings: dict):
        self.name = name
        self.began = time.monotonic()
        self.document = {
            "benchmark": name, "title": title, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": machine(), "versions": {}, "settings": settings, "unfair": unfair, "results": [],
        }  # fmt: skip

    def say(self, text: str) -> None:
        print(f"  {time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def add(
        self, metric: str, unit: str, ours: list[float], peer: str = "", theirs: list[float] | None = None, *,
        must: str = "", goal: str = "", difference: bool = False, more: dict | None = None,
    ) -> dict:  # fmt: skip
        """Medians of both sides. With `difference`, ours is our median minus the peer's."""
        value = statistics.median(ours)
        peer_value = statistics.median(theirs) if theirs else None
        ratio = value / peer_value if peer_value else None
        if difference:
            value -= peer_value
        values = {"ours": value, "ratio": ratio}
        entry = {
            "metric": metric, "unit": unit, "ours": rounded(value), "peer": peer, "peer_value": rounded(peer_value),
            "ratio": rounded(ratio), "must": must, "goal": goal, "holds": holds(must, values),
            "goal_holds": holds(goal, values),
            "runs": {"ours": [rounded(x) for x in ours], "peer": [rounded(x) for x in theirs or []]}, **(more or {}),
        }  # fmt: skip
        self.document["results"].append(entry)
        return entry

    def finish(self, versions: dict, keep: bool = True) -> int:
        """Writes the file and prints the table; 1 where a must does not hold."""
        self.document["versions"] = versions
        self.document["seconds"] = round(time.monotonic() - self.began)
        if keep:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{self.name}.json").write_text(json.dumps(self.document, indent=1) + "\n")
        print()
        for line in table(self.document["results"]):
            print(line)
        missed = [entry["metric"] for entry in self.document["results"] if entry["holds"] is False]
        print(f"\nBenchmarks/results/{self.name}.json  ({self.document['seconds']} s)")
        if missed:
            print(f"A must does not hold: {', '.join(missed)}", file=sys.stderr)
        return 1 if missed else 0


def table(entries: list[dict]) -> list[str]:
    """Aligned, for a terminal."""
    rows = [("metric", "ours", "peer", "", "ratio", "must", "goal")] + [row(entry) for entry in entries]
    widths = [max(len(r[i]) for r in rows) for i in range(7)]
    right = {1, 2, 4}
    return ["  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in rows]


def row(entry: dict) -> tuple[str, ...]:
    """An entry as text: metric, ours, the peer's value and name, ratio, must, goal."""

    def bound(text: str, verdict: bool | None) -> str:
        return "" if not text else f"{text} {'holds' if verdict else 'DOES NOT HOLD'}"

    return (
        entry["metric"], f"{number(entry['ours'])} {entry['unit']}",
        "" if entry["peer_value"] is None else f"{number(entry['peer_value'])} {entry['unit']}", entry["peer"],
        number(entry["ratio"]), bound(entry["must"], entry["holds"]), bound(entry["goal"], entry["goal_holds"]),
    )  # fmt: skip


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def machine() -> dict:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1])
    return {
        "cpu": cpu[1] if cpu else platform.machine(), "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**20, 1), "kernel": platform.release(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }  # fmt: skip


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return (done.stdout or done.stderr).strip().splitlines()[0]


def versions(server) -> dict:
    return {
        "terraned": server.endpoint.get("version", ""), "postgresql": server.value("SHOW server_version"),
        "postgis": server.value("SELECT public.postgis_lib_version()"), "gdal": output("ogr2ogr", "--version"),
        "pgbench": output("pgbench", "--version"), "commit": commit(),
    }  # fmt: skip


def commit() -> str:
    top = Path(__file__).parents[2]
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=top, capture_output=True, text=True).stdout.strip()
    dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=top, capture_output=True, text=True).stdout.strip()
    return head + ("+changes" if dirty else "")
