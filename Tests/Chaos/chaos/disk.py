"""A disk that is full when a test says so: full_disk.c, and how it gets into the processes it is meant for."""

import mmap
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "full_disk.c"
POSTGRESQL = Path("/usr/lib/postgresql/15/bin")


def build_library(folder: Path) -> Path:
    library = folder / "full_disk.so"
    # Without fortification: its inline wrappers stand in the way of the functions defined here.
    command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-U_FORTIFY_SOURCE", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True, timeout=120)
    library.chmod(0o755)
    return library


class FullDisk:
    """Free space below one folder, for all processes that have the library."""

    def __init__(self, library: Path, below: Path, control: Path):
        self.below = below
        self._library = library
        self._path = control
        control.write_bytes(bytes(24))
        # Processes of the server's user map it for writing.
        control.chmod(0o666)
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), 24)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "FULL_DISK_BELOW": str(self.below), "FULL_DISK_CONTROL": str(self._path)}

    def fill(self, left: int = 0) -> None:
        """Files below the folder may grow by `left` bytes more."""
        self._control[:] = struct.pack("=Qqq", 0, left, 0)
        self._control[:8] = struct.pack("=Q", 1)

    def free(self) -> None:
        self._control[:8] = struct.pack("=Q", 0)

    @property
    def refused(self) -> int:
        """Writes refused since `fill`."""
        return struct.unpack("=Q", self._control[16:24])[0]

    def wrapper(self, path: Path, program: Path | str) -> Path:
        """A script that runs a program with the library: children of the server get an environment of their own."""
        words = " ".join(f"{name}='{value}'" for name, value in self.environment.items())
        path.write_text(f'#!/bin/sh\n{words} exec {program} "$@"\n')
        path.chmod(0o755)
        return path


def wrapped_postgresql(folder: Path, disk: FullDisk) -> Path:
    """A folder for --postgres-bin: the server has the library, initdb has not."""
    folder.mkdir()
    folder.chmod(0o755)
    disk.wrapper(folder / "postgres", POSTGRESQL / "postgres")
    initdb = folder / "initdb"
    initdb.write_text(f'#!/bin/sh\nexec {POSTGRESQL}/initdb "$@"\n')
    initdb.chmod(0o755)
    return folder
