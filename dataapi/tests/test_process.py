"""The process, as terraned starts it."""

import json
import subprocess
import sys
import time

from cluster import ROOT
from conftest import end, launch


def test_it_logs_json_lines_and_ends_with_its_stdin(cluster, published, tmp_path):
    running = launch(cluster, tmp_path / "log", "--access-log")
    assert running.json("/healthz") == {"ok": True}
    before = time.monotonic()
    assert end(running) == 0
    assert time.monotonic() - before < 5
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any("/healthz" in line["message"] for line in lines)


def test_maps_do_not_fill_the_log(cluster, published, files, tmp_path):
    running = launch(cluster, tmp_path / "log", "--files", str(files))
    for path in ("pieces/picture/v1/tiles/WebMercatorQuad/8/131/126.png", "hills/heights/v1/tiles/WebMercatorQuad/0/0/0.png",
                 "hills/heights/v1/preview.png", "hills/heights/v1/statistics?expression=b1/b2"):  # fmt: skip
        assert running.get("/api/data/" + path).status_code == 200, path
    assert end(running) == 0
    loggers = [json.loads(line)["logger"] for line in (tmp_path / "log").read_text().splitlines()]
    assert set(loggers) <= {"terrane.dataapi", "uvicorn.error"}, loggers


def test_it_starts_without_a_database_and_says_that_it_is_away(tmp_path):
    class Nowhere:
        @staticmethod
        def environment():
            return {"PGHOST": str(tmp_path), "PGPORT": "1", "PGUSER": "x", "PGPASSWORD": "x", "PGDATABASE": "x"}

    running = launch(Nowhere(), tmp_path / "log")
    assert running.get("/healthz").status_code == 503
    assert end(running) == 0


def test_a_port_in_use_is_an_error(service):
    host, port = service.address.split(":")
    command = [sys.executable, "-m", "terrane_dataapi", "--host", host, "--port", port]
    done = subprocess.run(command, cwd=ROOT / "dataapi", capture_output=True, timeout=30)
    assert done.returncode == 1
    assert json.loads(done.stderr.splitlines()[-1])["message"] == "cannot listen"
