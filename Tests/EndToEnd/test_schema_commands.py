"""terrane services, describe and call: any method, by what the server says of itself."""

import json
import subprocess

import pytest
from support.server import Server


def test_services_lists_every_method(server: Server) -> None:
    printed = server.cli("services", json_output=False)
    assert printed.code == 0
    assert "terrane.v1.DatasetService\n  CreateDataset\n" in printed.out
    lines = server.cli("services").lines
    by_name = {line["method"]: line for line in lines}
    assert by_name["terrane.v1.DatasetService/WatchStatus"]["stream"] is True
    assert by_name["grpc.health.v1.Health/Check"]["request"] == "grpc.health.v1.HealthCheckRequest"
    assert "framedrpc.v1.ReflectionService/GetSchema" in by_name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DatasetService", "rpc CreateDataset(terrane.v1.CreateDatasetRequest) returns (terrane.v1.CreateDatasetResponse)"),
        ("WatchStatus", "returns (stream terrane.v1.DatasetStatus)"),
        ("terrane.v1.DatasetRef", "string dataset_key = 1  // one of by"),
        ("Problem", "map<string, string> details"),
        ("Status", 'STATUS_READY = 4  // in JSON "ready"'),
        ("VectorSource", "  // A layer of the file; empty: all layers.\n  string layer = 2"),
    ],
)
def test_describe_shows_the_schema(server: Server, name: str, said: str) -> None:
    printed = server.cli("describe", name, json_output=False)
    assert printed.code == 0 and said in printed.out, printed.out + printed.err


def test_a_dataset_by_calls_alone(server: Server, sources) -> None:
    name = {"dataset_id": "called", "resource_id": "world", "version_id": "v1"}
    request = {
        "name": name,
        "spec": {
            "type": "vector", "vector": {"url": f"file://{sources}/world.gpkg"}, "visibility": "public",
            "metadata": {"title": "Wörld", "keywords": ["a", "b"], "datetime": "2026-11-29T12:00:00.5Z"},
        },
    }  # fmt: skip
    created = server.cli("call", "CreateDataset", json.dumps(request)).last
    assert created["created"] is True and created["dataset"]["name"]["dataset_id"] == "called"
    assert created["dataset"]["spec"]["metadata"]["datetime"] == "2026-11-29T12:00:00.500Z"
    watched = server.cli("call", "DatasetService/WatchStatus", json.dumps({"dataset": {"name": name}})).lines
    assert watched[-1]["status"] == "ready" and watched[-1]["progress"]["percent"] == 100
    got = server.cli("call", "terrane.v1.DatasetService/GetDataset", json.dumps({"dataset": {"name": name}})).last
    # What is said without knowing the schema is what is said with it.
    assert got == {key: value for key, value in server.record("called/world/v1").items() if key in got}
    assert got["result"]["feature_count"] == 177 and got["result"]["bbox"]["north"] > 80
    listed = server.cli("call", "ListDatasets", '{"statuses": ["ready"], "dataset_id": "called"}').last
    assert [dataset["dataset_key"] for dataset in listed["datasets"]] == [got["dataset_key"]]
    scanned = server.cli("call", "Scan").last
    assert scanned["unexpected"] == scanned["missing"] == []


def test_a_request_from_standard_input(server: Server) -> None:
    command = [server.installation.command("terrane"), "call", "Check", "--server", f"127.0.0.1:{server.rpc_port}",
               "--credentials", str(server.data / "credentials/local-admin"), "--json"]  # fmt: skip
    for text, status in (('{"service": "database"}', "serving"), ("", "serving")):
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=server.installation.environment)
        assert json.loads(done.stdout) == {"status": status}, done.stderr


@pytest.mark.parametrize(
    ("method", "request_text", "said"),
    [
        ("Nobody", "{}", "no method"),
        ("GetDataset", "{", "not JSON"),
        ("GetDataset", "[]", "an object is expected"),
        ("GetDataset", '{"datset": {}}', 'no field \\"datset\\"'),
        ("ListDatasets", '{"page_size": "many"}', "page_size: a whole number of type int32"),
        ("ListDatasets", '{"page_size": 3000000000}', "page_size: a whole number"),
        ("ListDatasets", '{"page_size": true}', "page_size: a whole number"),
        ("ListDatasets", '{"statuses": ["redy"]}', "statuses[0]: one of"),
        ("ListDatasets", '{"show_deleted": 1}', "show_deleted: true or false"),
        ("GetDataset", '{"dataset": {"name": {"dataset_id": 5}}}', "dataset.name.dataset_id: a text is expected"),
        ("CreateDataset", '{"spec": {"metadata": {"datetime": "yesterday"}}}', "spec.metadata.datetime: a time"),
    ],
)
def test_what_does_not_fit_is_said_by_its_place(server: Server, method: str, request_text: str, said: str) -> None:
    answer = server.cli("call", method, request_text)
    assert answer.code == 2, answer
    assert said in answer.out + answer.err, answer


def test_the_servers_refusals_are_told_as_ever(server: Server) -> None:
    answer = server.cli("call", "GetDataset", '{"dataset": {"name": {"dataset_id": "x", "resource_id": "y", "version_id": "z"}}}')
    assert answer.code == 4 and answer.problem["reason"] == "DATASET_NOT_FOUND"


def test_bench_rpc_calls_a_method_again_and_again(server: Server) -> None:
    counted = server.cli("bench-rpc", "Health/Check", "--connections", "2", "--in-flight", "4", "--seconds", "1").last
    assert counted["method"] == "grpc.health.v1.Health/Check" and counted["calls"] > 8 and counted["failures"] == {}
    assert 0 < counted["latency"]["p50_us"] <= counted["latency"]["p99_us"] <= counted["latency"]["longest_us"]
    paced = server.cli("bench-rpc", "ListDatasets", '{"page_size": 1}', "--rate", "50", "--seconds", "1", json_output=False)
    assert paced.code == 0 and "50 calls/s asked for" in paced.out and "  calls    50  " in paced.out, paced.out + paced.err


def test_bench_rpc_says_what_cannot_be(server: Server) -> None:
    stream = server.cli("bench-rpc", "WatchStatus")
    assert stream.code == 2 and "stream" in stream.err
    # Answered each time, but never with what was asked for.
    nothing = server.cli("bench-rpc", "GetDataset", '{"dataset": {"dataset_key": "00"}}', "--seconds", "1")
    assert nothing.code == 2 and sum(nothing.lines[0]["failures"].values()) > 0
    assert server.cli("bench-rpc", "Health/Check", "--connections", "0").code == 2
