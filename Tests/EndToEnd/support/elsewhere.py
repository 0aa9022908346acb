"""A PostgreSQL that others run: reached by TCP and TLS, with an administrator of its own."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import psycopg

from .server import AS_ROOT, Server

BIN = Path("/usr/lib/postgresql/15/bin")
_HBA = "local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


class Elsewhere:
    """initdb refuses root, so as root it belongs to user terrane."""

    def __init__(self, home: Path):
        self.home = home
        self.data = home / "cluster"
        home.mkdir()
        home.chmod(0o755)
        self._as: list[str] = []
        if AS_ROOT:
            user = pwd.getpwnam("terrane")
            os.chown(home, user.pw_uid, user.pw_gid)
            self._as = ["runuser", "-u", "terrane", "--"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def _run(self, *command: str | Path) -> None:
        # pg_ctl's server keeps what it inherits open, so its output cannot be a pipe of ours.
        with (self.home.parent / "elsewhere.log").open("ab") as log:
            subprocess.run([*self._as, *map(str, command)], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=60)

    def create(self) -> "Elsewhere":
        self._run(BIN / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8")
        (self.data / "pg_hba.conf").write_text(_HBA)
        self._certify()
        self.start()
        return self

    def _certify(self) -> None:
        """An authority of its own, and a certificate for 127.0.0.1."""
        authority, key, server = self.home / "ca.pem", self.home / "ca.key", self.data / "server.crt"
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        self._run(*new, "-subj", "/CN=elsewhere", "-keyout", key, "-out", authority)
        self._run(*new, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-CA", authority, "-CAkey", key,
                  "-keyout", self.data / "server.key", "-out", server)  # fmt: skip

    def start(self) -> None:
        settings = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.home} -c ssl=on -c fsync=off"
        self._run(BIN / "pg_ctl", "-D", self.data, "-l", self.home / "log", "-w", "-o", settings, "start")

    def stop(self) -> None:
        self._run(BIN / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def destroy(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    # Its administrator

    def connect(self, database: str = "terrane") -> psycopg.Connection:
        return psycopg.connect(host=str(self.home), port=self.port, user="postgres", dbname=database, autocommit=True)

    def psql(self, script: str, database: str = "terrane") -> subprocess.CompletedProcess[str]:
        words = [BIN / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-p", str(self.port), "-U", "postgres", "-d", database]
        return subprocess.run([*map(str, words), "-f", "-"], input=script, capture_output=True, text=True, timeout=120)

    def url(self, database: str = "terrane") -> str:
        return f"postgresql://127.0.0.1:{self.port}/{database}?sslmode=verify-full&sslrootcert={self.home}/ca.pem"


class Guest(Server):
    """A server whose database is elsewhere."""

    host: Elsewhere

    def database(self):
        return self.host.connect()
