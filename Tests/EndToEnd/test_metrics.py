"""What the server counts, and what it writes of each call."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from support.server import Server


@pytest.fixture(scope="module")
def counted(new_server: Callable[..., Server]) -> Server:
    return new_server("--retry-window", "0", "--metrics", "127.0.0.1:0", "--access-log").start()


def samples(text: str) -> dict[str, float]:
    assert text.endswith("# EOF\n")
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def port(server: Server) -> str:
    line = next(line for line in server.log.splitlines() if line.strip().startswith("metrics "))
    return line.split()[-1]


def test_the_command_and_the_port_tell_the_same(counted: Server, sources: Path) -> None:
    assert counted.create("metrics/world/v1", sources / "world.gpkg", "--watch").code == 0
    assert counted.cli("get", "metrics/none/v1").code == 4
    url = port(counted)
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    found = samples(answer.text)
    service = "terrane.v1.DatasetService"
    assert found[f'framedrpc_server_calls_total{{method="{service}/CreateDataset",code="OK"}}'] == 1
    assert found[f'framedrpc_server_calls_total{{method="{service}/GetDataset",code="NOT_FOUND"}}'] >= 1
    assert found[f'framedrpc_server_calls_total{{method="{service}/WatchStatus",code="OK"}}'] == 1
    assert found[f'framedrpc_server_call_seconds_count{{method="{service}/CreateDataset"}}'] == 1
    assert found["terrane_watchers"] == 0
    assert found['terrane_serving{part="database"}'] == found['terrane_serving{part="data_api"}'] == 1
    assert found["process_cpu_seconds_total"] > 0 and found["process_resident_memory_bytes"] > 1 << 20
    printed = counted.cli("metrics", json_output=False)
    assert printed.code == 0 and set(samples(printed.out)) >= set(found)
    lines = counted.cli("metrics").lines
    assert {line["sample"] for line in lines} >= set(found)


def test_the_port_has_one_page(counted: Server) -> None:
    url = port(counted)
    assert requests.get(url.removesuffix("/metrics") + "/", timeout=10).status_code == 404
    refused = requests.post(url, timeout=10)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    head = requests.head(url, timeout=10)
    assert head.status_code == 200 and head.text == ""


def test_each_call_is_a_line(counted: Server) -> None:
    assert counted.cli("list").code == 0
    lines = [json.loads(line) for line in counted.log.splitlines() if '"access"' in line]
    last = [line for line in lines if line["method"] == "terrane.v1.DatasetService/ListDatasets"][-1]
    assert last["code"] == "OK" and last["us"] > 0 and last["peer"].startswith("127.0.0.1:")
    assert last["principal"] == "terrane:principal:local-admin"


def test_no_such_port_for_strangers(counted: Server) -> None:
    done = counted.installation.run("terraned", "--metrics", "0.0.0.0:9464", "--check-config")
    assert done.returncode != 0 and "loopback" in done.stderr
