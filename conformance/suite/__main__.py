"""Runs the cases against programs under test.

    python -m suite --server 'COMMAND'        every server case
    python -m suite --client 'COMMAND'        every client case
    python -m suite --list

Exit 1: a case failed that is not known to, or passed that is known to fail.
"""

import argparse
import concurrent.futures
import json
import shlex
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import CONFORMANCE
from .client import Client
from .credentials import Authority
from .programs import ServerProgram
from .registry import CLIENT, SERVER, Case, cases
from .server import Server


@dataclass(frozen=True)
class Result:
    case: Case
    program: str
    #: None: it passed.
    error: str | None
    #: Why it is known to fail; None: it must pass.
    known: str | None
    seconds: float

    @property
    def word(self) -> str:
        if self.known is None:
            return "ok" if self.error is None else "FAILED"
        return "known to fail" if self.error is not None else "PASSED, AND IS KNOWN TO FAIL"

    @property
    def is_good(self) -> bool:
        return (self.error is None) == (self.known is None)


def try_server(case: Case, command: list[str], authority: Authority) -> None:
    program = ServerProgram(command, authority, **case.config)
    server = Server(program)
    try:
        case.run(server)
    finally:
        server.close()
        program.stop()


def try_client(case: Case, command: list[str], authority: Authority) -> None:
    client = Client(command, authority)
    try:
        try:
            case.run(client)
        except AssertionError as error:
            # What a script saw says more.
            raise AssertionError(f"{error}{client.told()}") from error
        client.check()
    finally:
        client.close()


def run(case: Case, name: str, command: list[str], authority: Authority, known: dict[str, str]) -> Result:
    began = time.monotonic()
    error = None
    try:
        (try_server if case.side == SERVER else try_client)(case, command, authority)
    except Exception as failure:  # noqa: BLE001 # told in the result
        where = traceback.extract_tb(failure.__traceback__)
        lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in where if "suite" in frame.filename]
        error = f"{type(failure).__name__}: {failure} ({' < '.join(reversed(lines[1:]))})"
    return Result(case, name, error, known.get(case.name), time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="suite", description="Conformance of servers and clients with FramedRPC/1.")
    parser.add_argument("--server", action="append", default=[], metavar="[NAME=]COMMAND", help="a server under test")
    parser.add_argument("--client", action="append", default=[], metavar="[NAME=]COMMAND", help="a client under test")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="cases whose name contains it")
    parser.add_argument("--at-once", type=int, default=6, metavar="N", help="cases under way at a time (6)")
    parser.add_argument("--json", action="store_true", help="results as JSON")
    parser.add_argument("--list", action="store_true", help="say what the cases are, and stop")
    arguments = parser.parse_args()

    chosen = [case for case in cases() if not arguments.only or any(text in case.name for text in arguments.only)]
    if arguments.list:
        for case in chosen:
            print(f"{case.side:7}{case.name:32}{case.title}")
        return 0
    known: dict[str, dict[str, str]] = json.loads((CONFORMANCE / "known-failing.json").read_text())
    work: list[tuple[Case, str, list[str]]] = []
    for side, commands in ((SERVER, arguments.server), (CLIENT, arguments.client)):
        for text in commands:
            name, is_named, command = text.partition("=") if "=" in text.split()[0] else ("", "", text)
            words = shlex.split(command if is_named else text)
            work += [(case, name or Path(words[0]).name, words) for case in chosen if case.side == side]
    if not work:
        parser.error("there is nothing to run: name a --server or a --client")
    # What takes long begins first, so that it does not stand alone at the end.
    work.sort(key=lambda item: not item[0].is_long)
    results: list[Result] = []
    is_terminal = sys.stderr.isatty()
    clear = "\r\033[K" if is_terminal else ""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, concurrent.futures.ThreadPoolExecutor(arguments.at_once) as pool:
        authority = Authority(Path(folder))
        tasks = [pool.submit(run, case, name, words, authority, known.get(name, {})) for case, name, words in work]
        for task in concurrent.futures.as_completed(tasks):
            result = task.result()
            results.append(result)
            if is_terminal:
                print(f"\r\033[K{len(results)}/{len(work)} {result.case.name}", end="", file=sys.stderr, flush=True)
            if not result.is_good and not arguments.json:
                print(f"{clear}{result.word}: {result.program} {result.case.name}: {result.case.title}")
                print(f"    {result.error or result.known}")
    if is_terminal:
        print("\r\033[K", end="", file=sys.stderr)
    if arguments.json:
        print(json.dumps([describe(result) for result in sorted(results, key=lambda r: (r.program, r.case.name))], indent=1))
    else:
        summary(results)
    return 0 if all(result.is_good for result in results) else 1


def describe(result: Result) -> dict[str, Any]:
    return {
        "program": result.program, "side": result.case.side, "case": result.case.name, "result": result.word, "error": result.error,
        "known": result.known, "seconds": round(result.seconds, 2),
    }  # fmt: skip


def summary(results: list[Result]) -> None:
    for program in sorted({result.program for result in results}):
        own = [result for result in results if result.program == program]
        passed = sum(result.error is None and result.known is None for result in own)
        expected = [result for result in own if result.known is not None and result.error is not None]
        failed = [result for result in own if not result.is_good]
        text = f"{program}: {passed} passed"
        if expected:
            text += f", {len(expected)} known to fail ({', '.join(result.case.name for result in expected)})"
        print(text + (f", {len(failed)} FAILED ({', '.join(result.case.name for result in failed)})" if failed else ""))


if __name__ == "__main__":
    sys.exit(main())
