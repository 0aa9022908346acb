"""A throw-away PostgreSQL cluster with what the data API reads: PostGIS, pgstac, the serving schema, two datasets."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
BIN = Path("/usr/lib/postgresql/15/bin")
PASSWORD = secrets.token_hex(16)


class Cluster:
    """Its own directory, port and socket; initdb refuses root, so as root it belongs to user terrane."""

    port = 54329  # only names the socket: the cluster listens on no network

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="terrane-dataapi-", dir="/tmp"))
        self.data = self.home / "data"
        self._as = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("terrane")
            os.chown(self.home, user.pw_uid, user.pw_gid)
            self._as = ["runuser", "-u", "terrane", "--"]
        os.chmod(self.home, 0o755)

    def _run(self, *command: str) -> None:
        # pg_ctl's server keeps what it inherits open, so its output cannot be a pipe of ours.
        with open(os.devnull) as nothing, tempfile.TemporaryFile() as said:
            done = subprocess.run([*self._as, *command], cwd="/", stdin=nothing, stdout=said, stderr=said, timeout=60)
            if done.returncode != 0:
                said.seek(0)
                raise RuntimeError(f"{command[0]}: {said.read().decode(errors='replace')}")

    def create(self) -> None:
        self._run(str(BIN / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
                  "--locale=C.UTF-8", "-E", "UTF8", f"--pwfile={self._secret()}")  # fmt: skip
        self.start()

    def _secret(self) -> Path:
        file = self.home / "password"
        file.write_text(PASSWORD)
        file.chmod(0o644)
        return file

    def start(self) -> None:
        settings = f"-c listen_addresses='' -c port={self.port} -c unix_socket_directories={self.home}"
        settings += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=40"
        self._run(
            str(BIN / "pg_ctl"), "-D", str(self.data), "-l", str(self.home / "log"), "-w", "-o", settings, "start"
        )

    def stop(self) -> None:
        self._run(str(BIN / "pg_ctl"), "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def destroy(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def connect(self, database: str = "terrane", user: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.home), port=self.port, dbname=database, user=user, password=PASSWORD, autocommit=True
        )

    def environment(self) -> dict[str, str]:
        """libpq's variables for the data API's own role."""
        return {
            "PGHOST": str(self.home),
            "PGPORT": str(self.port),
            "PGDATABASE": "terrane",
            "PGUSER": "terrane_dataapi",
            "PGPASSWORD": PASSWORD,
        }


def install(cluster: Cluster) -> None:
    """A database as terraned would set it up: the repository's own SQL, and pgstac's from the wheel."""
    with cluster.connect("postgres") as admin:
        admin.execute("CREATE DATABASE terrane")
    pypgstac = Path(find_spec("pypgstac").submodule_search_locations[0])
    with cluster.connect() as admin:
        admin.execute((ROOT / "sql" / "bootstrap.sql").read_text())
        admin.execute(f"ALTER ROLE terrane_dataapi PASSWORD '{PASSWORD}'")
        admin.execute((pypgstac / "migrations" / "pgstac.0.10.0.sql").read_text())
    with cluster.connect() as admin:
        admin.execute("GRANT pgstac_read TO terrane_dataapi")
        admin.execute("SET ROLE terrane_owner")
        for migration in sorted((ROOT / "sql").glob("*_serving.sql")):
            admin.execute(migration.read_text())
