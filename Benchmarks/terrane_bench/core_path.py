"""The core path: a dataset from create to READY, creates per second, and how late a watcher hears of a change."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from . import programs
from .programs import CHECKOUT, Server
from .results import Results, versions

SOURCE = CHECKOUT / ".setup/data/world.gpkg"
PATH_RUNS = 20
CREATE_ROUNDS = 3
CREATE_SECONDS = 4.0
IN_FLIGHT = (1, 8, 64)
CONNECTIONS = 8
# The server commits on two connections; so does pgbench.
LANES = 2
WATCH_RUNS = 3
WATCH_ROUNDS = 150
STEPS = ("probe", "ingest_vector", "stac_catalog_vectors", "verify")

UNFAIR = [
    "create to READY: ogr2ogr is one process that loads a table. Ours also checks and pins the source, repairs, hashes it, "
    "writes STAC, reads everything back through the data API and publishes; it pays for four processes. ogr2ogr pays for its own "
    "start, and its connection to PostgreSQL is opened anew, as ours are.",
    "creates per second: pgbench reads its parameters ready-made from an unlogged table of the same database instead of taking "
    "them from the wire, and needs next to no processor time of its own; ours shares two cores with PostgreSQL and the load client, and "
    "does TLS, decoding, checks and encoding. pgbench knows its batch size before it begins; ours has to form batches from what "
    "arrives. pgbench sends BEGIN by itself (one round trip more than ours a batch) and runs as superuser.",
    "creates per second: the server runs with --slots 0, so no task is claimed while creates are measured; a server in "
    "earnest would spend processor time on the tasks it begins. The queue of tasks grows throughout, for both sides alike.",
    "watch latency: from the answer to COMMIT to the frame at a socket with OpenSSL and nothing else ('to a task': in the consumer "
    "of the client library), beside a bare NOTIFY's round trip: the statement sent by one libpq session to the notification at "
    "another. A bare NOTIFY writes no row and does not wait for the disk, as our change does before it is committed; hence the "
    "two starts. PostgreSQL tells its listeners just before it answers, so that ours has begun a few microseconds before its clock. "
    "Ours reads the change and the record, encodes and encrypts them. The line 'beside a commit' leaves the peer's statement out and "
    "begins when its COMMIT is sent; the line 'from COMMIT sent' has one start for both and a peer that writes a row, too. All ends "
    "are in one process.",
]  # fmt: skip


def main(parts: tuple[str, ...] = ("path", "watch", "creates")) -> int:
    """With some parts only, the table is printed and nothing is kept."""
    results = Results(
        "core-path", "Core path", UNFAIR,
        {
            "source": SOURCE.name, "path_runs": PATH_RUNS, "create_rounds": CREATE_ROUNDS, "create_seconds": CREATE_SECONDS,
            "client_connections": CONNECTIONS, "pgbench_sessions": LANES, "watch_rounds": WATCH_RUNS * WATCH_ROUNDS,
            "postgresql": "as terraned configures it: fsync and synchronous_commit on",
        },
    )  # fmt: skip
    with programs.installation() as (staged, place):
        roots = [place / "sources"]
        roots[0].mkdir()
        source = roots[0] / SOURCE.name
        source.write_bytes(SOURCE.read_bytes())
        results.say("a server starts")
        if "path" in parts:
            with programs.server(staged, place / "path", roots, "--log-level", "debug") as server:
                path(server, source, results)
        with programs.server(staged, place / "creates", roots, "--slots", "0") as server:
            if "watch" in parts:
                watch(server, source, results)
            if "creates" in parts:
                creates(server, source, results)
            return results.finish(versions(server), keep=len(parts) == 3)


# --------------------------------------------------------------------------------------------------- create to READY


def path(server: Server, source: Path, results: Results) -> None:
    """By turns: create and watch to READY, and ogr2ogr of the same file into a schema beside."""
    scratch_schema(server)
    client = subprocess.Popen(
        [programs.LOAD, programs.job(server, "path")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    runs, loads = [], []
    try:
        for number in range(PATH_RUNS + 2):
            time.sleep(0.1)
            client.stdin.write(f"world-{number} file://{source}\n")
            client.stdin.flush()
            run = json.loads(client.stdout.readline())
            began = time.monotonic()
            ogr2ogr(server, source, f"bench.world_{number}")
            took = time.monotonic() - began
            # The first ones warm caches and connections on both sides.
            if number >= 2:
                runs.append(run)
                loads.append(took)
    finally:
        client.stdin.close()
        client.wait(timeout=10)
    ready = [(run["frames"][-1]["at"] - run["sent"]) / 1e6 for run in runs]
    results.say(f"{len(runs)} times create to READY and ogr2ogr")
    results.add("create_to_ready_minus_ogr2ogr", "s", ready, "ogr2ogr", loads, must="ours <= 1.0", goal="ours <= 0.5",
        difference=True)  # fmt: skip
    results.add("create_to_ready", "s", ready, "ogr2ogr", loads)
    for name, values in spans(server, runs).items():
        results.add(f"span_{name}", "ms", values)


def scratch_schema(server: Server) -> None:
    with server.database() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench")


def ogr2ogr(server: Server, source: Path, table: str, *options: str) -> None:
    subprocess.run(
        ["ogr2ogr", "-f", "PostgreSQL", "PG:", str(source), "-nln", table, "-lco", "GEOMETRY_NAME=geom", "-nlt",
            "PROMOTE_TO_MULTI", "--config", "PG_USE_COPY", "YES", *options],
        env={**os.environ, **programs.database(server)}, check=True, timeout=300,
    )  # fmt: skip


def spans(server: Server, runs: list[dict]) -> dict[str, list[float]]:
    """Where the time of each run went, in ms: from the client's clock, the engine's history and its log."""
    claims = server.rows("""
        SELECT encode(d.key, 'hex'), j.step, (extract(epoch FROM t.started_at) * 1e6)::bigint,
          (extract(epoch FROM t.ended_at) * 1e6)::bigint, t.task_id
        FROM datasets.datasets d JOIN coremachine.jobs j ON j.operation_id = d.operation_id
        JOIN coremachine.stages s ON s.job_id = j.job_id JOIN coremachine.tasks t ON t.stage_id = s.stage_id
    """)
    tasks = {(key, step): (claimed, ended, task) for key, step, claimed, ended, task in claims}
    logged = {}
    for line in server.log.splitlines():
        if '"an attempt has ended"' in line:
            entry = json.loads(line)
            logged[int(entry["task"])] = {name: int(value) / 1000 for name, value in entry.items() if name.endswith("_us")}
    found: dict[str, list[float]] = {}

    def note(name: str, milliseconds: float) -> None:
        found.setdefault(name, []).append(milliseconds)

    for run in runs:
        note("accepted", (run["accepted"] - run["sent"]) / 1000)
        before = run["accepted"]
        for step, name in enumerate(STEPS, 1):
            claimed, ended, task = tasks[run["key"], step]
            # Negative where a task is claimed before the answer has reached the client.
            note(f"{name}_claim", (claimed - before) / 1000)
            note(name, (ended - claimed) / 1000)
            before = ended
            for part, value in logged.get(task, {}).items():
                note(f"{name}_{part.removesuffix('_us')}", value)
        note("ready_frame", (run["frames"][-1]["at"] - before) / 1000)
    return found


# ---------------------------------------------------------------------------------------------------- watch latency


def watch(server: Server, source: Path, results: Results) -> None:
    """Watchers by turns: a bare socket, as the libpq session beside it is, and a task that reads from the client library."""
    found = {"socket": defaultdict(list), "library": defaultdict(list)}
    medians = {"ours": [], "peer": []}
    for run in range(2 * WATCH_RUNS):
        kind = ("socket", "library")[run % 2]
        answer = programs.load(
            server, "watch", label=f"watched-{run}", source=f"file://{source}", rounds=WATCH_ROUNDS, columns=record_columns(),
            raw=kind == "socket", database=programs.connection_string(server),
        )  # fmt: skip
        for name, values in answer.items():
            found[kind][name] += values
        if kind == "socket":
            medians["ours"].append(statistics.median(answer["frameUs"]))
            medians["peer"].append(statistics.median(answer["notifyUs"]))
    socket, library = found["socket"], found["library"]
    ours, bare = socket["frameUs"], socket["notifyUs"]
    results.say(f"{len(ours)} changes watched by a socket, {len(library['frameUs'])} through the library")
    entry = results.add("watch_latency_p50", "us", ours, "bare NOTIFY", bare, must="ratio <= 2", goal="ratio <= 1.5")
    entry["medians"] = medians
    p90 = lambda values: statistics.quantiles(values, n=10)[-1]  # noqa: E731
    results.add("watch_latency_p90", "us", [p90(ours)], "bare NOTIFY", [p90(bare)])
    results.add("watch_beside_a_commit_p50", "us", ours, "COMMIT of a NOTIFY", socket["committedNotifyUs"])
    results.add("watch_beside_a_reader_p50", "us", ours, "LISTEN, then SELECT the record", socket["readUs"])
    results.add("watch_from_commit_sent_p50", "us", socket["frameFromSentUs"], "NOTIFY and a row", socket["durableNotifyUs"])
    results.add("watch_commit_p50", "us", socket["commitUs"])
    results.add("watch_to_a_task_p50", "us", library["frameUs"], "bare NOTIFY", library["notifyUs"])


# ----------------------------------------------------------------------------------------------- creates per second


def creates(server: Server, source: Path, results: Results) -> None:
    peer = Pgbench(server, results)
    ours = {n: [] for n in IN_FLIGHT}
    limit = {n: [] for n in IN_FLIGHT}
    bare = {n: [] for n in IN_FLIGHT}
    for number in range(CREATE_ROUNDS):
        for in_flight in IN_FLIGHT:
            run = creates_of_ours(server, source, in_flight, f"r{number}-f{in_flight}")
            ours[in_flight].append(run)
            peer.learn_texts()
            sessions = min(LANES, in_flight)
            limit[in_flight].append(peer.run(run["batch"], sessions, run["perSecond"]))
            bare[in_flight].append(peer.run(run["batch"], sessions, run["perSecond"], reads_back=False))
            results.say(
                f"{in_flight} in flight: {run['perSecond']:.0f}/s in batches of {run['batch']}, pgbench "
                f"{limit[in_flight][-1]['perSecond']:.0f}/s, create_batch alone {bare[in_flight][-1]['perSecond']:.0f}/s"
            )
    single = [peer.run(1, 8, ours[8][0]["perSecond"]) for _ in range(2)]
    for n in IN_FLIGHT:
        bounds = {"must": "ratio >= 0.5", "goal": "ratio >= 0.8"} if n == 64 else {}
        results.add(f"creates_{n}_in_flight", "1/s", column(ours[n], "perSecond"), "pgbench, same batches",
            column(limit[n], "perSecond"), more={"batches": column(ours[n], "batch")}, **bounds)  # fmt: skip
        results.add(f"creates_{n}_in_flight_bare", "1/s", column(ours[n], "perSecond"), "pgbench, create_batch alone",
            column(bare[n], "perSecond"))  # fmt: skip
        results.add(f"create_p50_{n}_in_flight", "us", column(ours[n], "p50us"))
        results.add(f"create_p99_{n}_in_flight", "us", column(ours[n], "p99us"))
        results.add(f"create_cpu_{n}_postgresql", "us", column(ours[n], "postgresUs"), "pgbench, same batches",
            column(limit[n], "postgresUs"))  # fmt: skip
        results.add(f"create_cpu_{n}_terraned", "us", column(ours[n], "serverUs"))
        results.add(f"create_cpu_{n}_client", "us", column(ours[n], "clientCPUus"))
    results.add("creates_64_in_flight_unbatched", "1/s", column(ours[64], "perSecond"), "pgbench, row by row, 8 sessions",
        column(single, "perSecond"))  # fmt: skip


def column(runs: list[dict], name: str) -> list[float]:
    return [run[name] for run in runs]


def creates_of_ours(server: Server, source: Path, in_flight: int, label: str) -> dict:
    """Calls through TLS by the load client; processor time is of the whole run, warm-up included."""
    first = server.value("SELECT coalesce(max(pk), 0) FROM datasets.datasets")
    before = programs.processor_seconds(server.process.pid), programs.postgres_seconds(server)
    run = programs.load(
        server, "creates", label=label, source=f"file://{source}", seconds=CREATE_SECONDS, warmUp=0.5, inFlight=in_flight,
        connections=CONNECTIONS,
    )  # fmt: skip
    after = programs.processor_seconds(server.process.pid), programs.postgres_seconds(server)
    # One transaction is one batch.
    rows, batches = server.rows("SELECT count(*), count(DISTINCT xmin::text) FROM datasets.datasets WHERE pk > %s", first)[0]
    run["batch"] = max(1, round(rows / batches))
    run["serverUs"] = (after[0] - before[0]) / rows * 1e6
    run["postgresUs"] = (after[1] - before[1]) / rows * 1e6
    return run


class Pgbench:
    """The statements of a create batch by pgbench, prepared, with parameters that lie ready in a table."""

    def __init__(self, server: Server, results: Results):
        self.server = server
        self.results = results
        self.texts: tuple[str, str] | None = None
        self.number = 0
        scratch_schema(server)

    def learn_texts(self) -> None:
        """The very spec and first parameters the server wrote."""
        if self.texts is None:
            self.texts = self.server.rows("""
                SELECT d.spec::text, j.parameters::text FROM datasets.datasets d
                JOIN coremachine.jobs j ON j.operation_id = d.operation_id ORDER BY d.pk DESC LIMIT 1""")[0]

    def run(self, batch: int, sessions: int, expected: float, reads_back: bool = True) -> dict:
        # As many batches as ours would take in three seconds: a limit that is higher is done sooner.
        count = max(20, round(3 * expected / batch / sessions))
        self.number += 1
        self._prepare(batch, count * sessions)
        script = self._script(count, reads_back)
        before = programs.postgres_seconds(self.server)
        done = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", "-c", str(sessions), "-j", str(sessions), "-t", str(count), "-D", "n=0", "-f", "/dev/stdin"],
            input=script, env={**os.environ, **programs.database(self.server)}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        after = programs.postgres_seconds(self.server)
        rate = re.search(r"tps = ([0-9.]+)", done.stdout)
        if done.returncode or not rate:
            raise SystemExit(f"pgbench: {done.stdout[-1000:]} {done.stderr[-1000:]}")
        rows = count * sessions * batch
        return {"perSecond": float(rate[1]) * batch, "postgresUs": (after - before) / rows * 1e6}

    def _prepare(self, batch: int, batches: int) -> None:
        spec, parameters = self.texts
        with self.server.database() as connection:
            connection.execute("DROP TABLE IF EXISTS bench.batches")
            connection.execute("""
                CREATE UNLOGGED TABLE bench.batches (id bigint, keys bytea[], namespaces text[], dataset_ids text[],
                  resource_ids text[], version_ids text[], types text[], specs text[], parameters text[], actors text[],
                  request_ids bytea[], hashes bytea[])""")
            for name in "keys namespaces dataset_ids resource_ids version_ids types specs parameters actors request_ids hashes".split():
                # Uncompressed: reading a row costs a copy, as taking it from the wire does.
                connection.execute(f"ALTER TABLE bench.batches ALTER {name} SET STORAGE EXTERNAL")
            connection.execute(
                """
                INSERT INTO bench.batches
                SELECT b, array_agg(sha256(name::bytea)), array_agg('default'::text), array_agg('bench'::text), array_agg(name),
                  array_agg('v1'::text), array_agg('vector'::text), array_agg(%s::text), array_agg(%s::text),
                  array_agg('bench:pgbench'::text), array_agg(uuid_send(gen_random_uuid())), array_agg(sha256(name::bytea))
                FROM generate_series(1, %s) b, generate_series(1, %s) r, LATERAL (SELECT concat('p%s-', b, '-', r) AS name) n
                GROUP BY b""" % ("%s", "%s", "%s", "%s", self.number),
                (spec, parameters, batches, batch),
            )  # fmt: skip
            connection.execute("CREATE UNIQUE INDEX ON bench.batches (id)")
            connection.execute("ANALYZE bench.batches")

    def _script(self, count: int, reads_back: bool) -> str:
        call = (
            "FROM bench.batches b, datasets.create_batch(b.keys, b.namespaces, b.dataset_ids, b.resource_ids, b.version_ids, "
            "b.types, b.specs, b.parameters, b.actors, b.request_ids, b.hashes) c WHERE b.id = :id"
        )
        step = f"\\set n :n + 1\n\\set id :client_id * {count} + :n\n"
        if not reads_back:
            return f"{step}SELECT c.* {call};\n"
        return (
            f"{step}BEGIN;\nSELECT array_agg(c.dataset_pk)::text AS pks {call} \\gset\n"
            f"SELECT {record_columns()} FROM datasets.records WHERE pk = ANY (:pks::bigint[]);\nCOMMIT;\n"
        )


def record_columns() -> str:
    """The columns the server reads back, from its source."""
    text = (CHECKOUT / "Sources/Datasets/Registry/DatasetRecord.swift").read_text()
    return re.search(r'static let columns = """\n(.*?)"""', text, re.S)[1].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])) if sys.argv[1:] else main())
