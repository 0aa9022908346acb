"""Processes as /proc tells of them."""

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process by id and start time, so that a reused id is not taken for it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        fields = _stat(pid)
        return cls(pid, fields[19]) if fields else None

    @property
    def state(self) -> str | None:
        """R, S, D, Z …; None: it is gone."""
        fields = _stat(self.pid)
        return fields[0] if fields and fields[19] == self.started else None

    @property
    def is_running(self) -> bool:
        """Neither gone nor a zombie."""
        return self.state not in (None, "Z", "X")

    @property
    def command(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""

    @property
    def user_id(self) -> int:
        """The effective one. (The owner of /proc/PID is root for whatever changed its user.)"""
        match = re.search(r"^Uid:\t\d+\t(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        return int(match[1])

    @property
    def peak_memory(self) -> int:
        """Bytes of memory it had at its highest; 0: it is gone."""
        try:
            match = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        except OSError:
            return 0
        return int(match[1]) * 1024 if match else 0

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.is_running:
            os.kill(self.pid, number)


def _stat(pid: int) -> list[str] | None:
    """The fields behind the program's name: state, parent, …"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def every() -> list[Process]:
    found = (Process.of(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [process for process in found if process]


def children(pid: int) -> list[Process]:
    return [p for p in every() if (fields := _stat(p.pid)) and int(fields[1]) == pid]


def that_know(folder: Path) -> list[Process]:
    """Running processes whose arguments, environment or working directory name a folder; this one excepted."""
    text = str(folder).encode()
    found = []
    for process in every():
        if process.pid == os.getpid() or not process.is_running:
            continue
        place = Path(f"/proc/{process.pid}")
        words = b""
        for part in ("cmdline", "environ"):
            try:
                words += (place / part).read_bytes()
            except OSError:
                pass
        try:
            words += os.fsencode(os.readlink(place / "cwd"))
        except OSError:
            pass
        if text in words:
            found.append(process)
    return found
