"""What must hold after a fault, by what the database, the data API, the folders and the processes say."""

import re
from dataclasses import dataclass, field

import requests
from support.server import CHECKOUT
from support.waiting import until

from .arena import PATIENCE, Arena, Source


@dataclass
class Findings:
    """What is wrong; nothing: all is well."""

    lost: int = 0
    doubled: int = 0
    leftovers: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.leftovers or self.other)

    def __str__(self) -> str:
        parts = [f"{self.lost} lost"] * bool(self.lost) + [f"{self.doubled} doubled"] * bool(self.doubled)
        return "; ".join([*parts, *(f"left over: {what}" for what in self.leftovers), *self.other]) or "clean"


def known_reasons() -> set[str]:
    """The stable reasons, as users find them."""
    text = (CHECKOUT / "docs/errors.md").read_text()
    return set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE))


def look_at_rows(arena: Arena, name: str, source: Source, found: Findings) -> None:
    """Each feature of the source exactly once: in the table, in the record, as served."""
    record = arena.server.record(name)
    if record["status"] != "ready":
        found.other.append(f"{name} is {record['status']}: {record.get('problem')}")
        return
    tables = arena.rows(
        "SELECT c.schema_name || '.' || c.table_name FROM serving.collections c JOIN datasets.datasets d"
        " ON d.pk = c.dataset_pk AND d.published_build = c.build WHERE d.key = %s AND d.state <> 'PURGED'",
        bytes.fromhex(record["dataset_key"]),
    )
    collections = record["result"]["collections"]
    if len(tables) != source.layers or len(collections) != source.layers:
        found.other.append(f"{source.layers} layers are {len(tables)} tables and {len(collections)} collections")
    counts = [arena.rows(f"SELECT count(*), count(DISTINCT fid) FROM {table}")[0] for (table,) in tables]
    rows, different = (sum(column) for column in zip(*counts, strict=True))
    found.lost += max(0, source.features - different)
    found.doubled += rows - different
    if different > source.features:
        found.other.append(f"{different - source.features} rows that the source does not have")
    if (told := sum(collection["feature_count"] for collection in collections)) != source.features:
        found.other.append(f"the record counts {told} features, the source {source.features}")
    matched = sum(served(arena, collection["items_url"])["numberMatched"] for collection in collections)
    if matched != source.features:
        found.other.append(f"{matched} features are served, the source has {source.features}")


def served(arena: Arena, url: str) -> dict:
    """The data API may be on its way back itself."""

    def answer() -> dict | None:
        try:
            response = arena.server.get(url, params={"limit": 1})
            return response.json() if response.status_code == 200 else None
        except (requests.RequestException, OSError):
            return None

    return until(answer, f"{url} is served", 90, every=0.1)


_LEFT = """
  SELECT 'staging schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'staging%'
  UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind IN ('r', 'p')
    AND 'data.' || relname NOT IN (SELECT identifier FROM coremachine.ledger WHERE kind = 'table' AND state = 'LIVE')
  UNION ALL SELECT format('ledger %s %s %s', state, kind, identifier) FROM coremachine.ledger WHERE state NOT IN ('LIVE', 'GONE')
  UNION ALL SELECT format('lease of task %s/%s', task_id, attempt) FROM coremachine.leases
  UNION ALL SELECT format('preview %s/%s', dataset_pk, build) FROM serving.routes WHERE preview_token_sha256 IS NOT NULL
  UNION ALL SELECT format('purge of %s (%s)', pk, state) FROM datasets.datasets WHERE state = 'PURGING'
  UNION ALL SELECT format('session %s', application_name) FROM pg_stat_activity WHERE application_name LIKE 'terrane-task%%'
"""


def look_for_leftovers(arena: Arena, found: Findings, seconds: float = 60) -> None:
    """What was begun and not ended is gone, by itself and soon; ledger and reality agree both ways."""
    left: list[str] = []

    def nothing() -> bool:
        left[:] = [what for (what,) in arena.rows(_LEFT)]
        left.extend(f"scratch {path.name}" for path in (arena.server.data / "scratch").iterdir())
        left.extend(f"process {task.pid}" for task in arena.server.tasks)
        return not left

    try:
        until(nothing, "nothing is left over", seconds, every=0.1)
    except AssertionError:
        found.leftovers.extend(left)
    scan = until(lambda: _scan(arena), "admin scan answers", PATIENCE, every=0.2)
    for side in ("unexpected", "missing"):
        found.leftovers.extend(f"scan {side}: {finding}" for finding in scan[side])


def _scan(arena: Arena) -> dict | None:
    answer = arena.server.cli("admin", "scan")
    return answer.last if answer.code == 0 else None


def look_at_processes(arena: Arena, found: Findings) -> None:
    """One terraned, one data API, PostgreSQL: nothing of an earlier life."""
    server = arena.server
    mine = {server.process.pid, server.postmaster.pid}

    def strangers() -> list[str]:
        commands = []
        for process in server.processes():
            command = process.command
            is_known = process.pid in mine or command.startswith("postgres:") or "terrane_dataapi" in command
            if not is_known and command:
                commands.append(command[:120])
        return commands

    try:
        until(lambda: not strangers(), "no process of an earlier life is left", 20, every=0.2)
    except AssertionError:
        found.leftovers.extend(f"process {command}" for command in strangers())
    if (apis := len(server.children_named("terrane_dataapi"))) > 1:
        found.leftovers.append(f"{apis} data APIs")
