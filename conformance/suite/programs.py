"""Programs under test: configuration as JSON on standard input, results on standard output."""

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .credentials import Authority

PATIENCE = 60


class ServerProgram:
    """A server under test, running."""

    def __init__(self, command: Sequence[str], authority: Authority, **config: Any) -> None:
        self.authority = authority
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        #: The access log, a JSON object a line.
        self.log: list[dict[str, str]] = []
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._read_log, daemon=True).start()
        #: Where it listens beside its port.
        self.unix_socket = str(authority.folder / f"{self.pid}.sock")
        if config.pop("unix_socket", False):
            config["unix_socket"] = self.unix_socket
        self.tell(credentials=authority.config(), **config)
        self.port: int = self.hear()["port"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """Resident bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the server is gone")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with contextlib.suppress(ValueError):
                self.log.append(json.loads(line))

    def tell(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self, seconds: float = PATIENCE) -> dict[str, Any]:
        said = self._said.get(timeout=seconds)
        assert said is not None, f"the server ended with {self._process.wait(PATIENCE)}"
        return said

    def stop(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_client(command: Sequence[str], config: dict[str, Any], seconds: float = PATIENCE) -> list[dict[str, Any]]:
    """What came of the calls, in their order."""
    done = subprocess.run(command, input=json.dumps(config).encode(), capture_output=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"the client ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    return json.loads(done.stdout)
