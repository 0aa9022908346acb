"""Request ids over the wire, as a client sends them: the conformance suite's cases for servers with a store."""

import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.server import CHECKOUT, Server

sys.path.insert(0, str(CHECKOUT / "conformance"))
from suite.raw import Frame, Raw  # noqa: E402
from terrane.v1.dataset_pb2 import DatasetName, DatasetSpec, DatasetType, Metadata, VectorSource  # noqa: E402
from terrane.v1.dataset_service_pb2 import CreateDatasetRequest, CreateDatasetResponse  # noqa: E402

CREATE = "terrane.v1.DatasetService/CreateDataset"


def authority(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(certificate=folder / "ca.pem", peer=SimpleNamespace(certificate=folder / "client.pem", key=folder / "client.key"))


class Caller:
    """A connection that creates datasets."""

    def __init__(self, server: Server, folder: Path | None = None) -> None:
        self.raw = Raw(server.rpc_port, authority(folder or server.data / "credentials/local-admin"))
        self._ids = itertools.count(1, 2)

    def send(self, request: CreateDatasetRequest, request_id: bytes) -> int:
        stream = next(self._ids)
        self.raw.call(stream, CREATE, request.SerializeToString(), request_id=request_id)
        return stream

    def create(self, request: CreateDatasetRequest, request_id: bytes) -> Frame:
        return self.raw.end(self.send(request, request_id))


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    caller = Caller(server)
    yield caller
    caller.raw.close()


@pytest.fixture
def request_of(sources: Path, name: str) -> CreateDatasetRequest:
    dataset, resource, version = name.split("/")
    return CreateDatasetRequest(
        name=DatasetName(dataset_id=dataset, resource_id=resource, version_id=version),
        spec=DatasetSpec(type=DatasetType.DATASET_TYPE_VECTOR, vector=VectorSource(url=f"file://{sources}/world.gpkg")),
    )


def answer(found: Frame) -> CreateDatasetResponse:
    assert found.end.code == 0, found.end.message
    return CreateDatasetResponse.FromString(found.body)


def test_request_id_same(caller: Caller, request_of: CreateDatasetRequest) -> None:
    """A second time: the first answer, and no second effect."""
    first = answer(caller.create(request_of, key := os.urandom(16)))
    second = answer(caller.create(request_of, key))
    assert first.created and second.created
    assert first.dataset.operation.id == second.dataset.operation.id


def test_request_id_different(caller: Caller, request_of: CreateDatasetRequest) -> None:
    """The same id with another request: refused. Another encoding of the same request is the same."""
    key = os.urandom(16)
    first = answer(caller.create(request_of, key))
    other = CreateDatasetRequest()
    other.CopyFrom(request_of)
    other.spec.metadata.CopyFrom(Metadata(title="another"))
    refused = caller.create(other, key)
    assert refused.end.code == 3
    assert b"REQUEST_ID_REUSED" in refused.payload
    # Fields in another order: the server hashes what the request means.
    name, spec = request_of.name.SerializeToString(), request_of.spec.SerializeToString()
    fields = {field.name: field.number for field in request_of.DESCRIPTOR.fields}
    turned = b"".join(
        bytes([fields[field] << 3 | 2, len(value)]) + value for field, value in (("spec", spec), ("name", name))
    )
    assert CreateDatasetRequest.FromString(turned) == request_of
    stream = next(caller._ids)
    caller.raw.call(stream, CREATE, turned, request_id=key)
    assert answer(caller.raw.end(stream)).dataset.operation.id == first.dataset.operation.id


def test_request_id_concurrent(server: Server, request_of: CreateDatasetRequest) -> None:
    """Many at once, over many connections: one effect, and everybody has its answer."""
    key = os.urandom(16)
    answers: list[CreateDatasetResponse] = []
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def run() -> None:
        try:
            caller = Caller(server)
            start.wait(30)
            streams = [caller.send(request_of, key) for _ in range(4)]
            answers.extend(answer(caller.raw.end(stream)) for stream in streams)
            caller.raw.close()
        except BaseException as error:  # noqa: BLE001 # told below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    assert len(answers) == 32
    assert all(found.created for found in answers), "an id's answer is the first one"
    assert len({found.dataset.operation.id for found in answers}) == 1


def test_request_id_other_principal(server: Server, place: Path, caller: Caller, request_of: CreateDatasetRequest, name: str) -> None:
    """An id is its principal's: another's says nothing of it."""
    folder = place / "ida"
    done = server.installation.run(
        "terrane", "credentials", "issue", "ida", "--role", "editor", "--out", str(folder), "--data", str(server.data)
    )
    assert done.returncode == 0, done.stderr
    key = os.urandom(16)
    assert answer(caller.create(request_of, key)).created
    other = Caller(server, folder)
    elsewhere = CreateDatasetRequest()
    elsewhere.CopyFrom(request_of)
    elsewhere.name.dataset_id += "-of-ida"
    assert answer(other.create(elsewhere, key)).created
    # And what exists is told to a call of its own, not as the answer of somebody else's.
    assert not answer(other.create(request_of, os.urandom(16))).created
    other.raw.close()


def test_request_id_crash_in_commit(victim: Server, sources: Path, request_of: CreateDatasetRequest) -> None:
    """A server killed while it commits: sent again, the call is answered once, by the commit that was or by a new one."""
    server = victim
    seen_before, seen_anew = 0, 0
    for round_number, wait in enumerate((0.0, 0.004, 0.01, 0.03)):
        request = CreateDatasetRequest()
        request.CopyFrom(request_of)
        request.name.dataset_id += f"-{round_number}"
        key = os.urandom(16)
        caller = Caller(server)
        stream = caller.send(request, key)
        time.sleep(wait)
        server.kill9()
        caller.raw.settle(2)
        early = [found for found in caller.raw.frames if found.stream == stream]
        caller.raw.close()
        server.start()
        again = Caller(server)
        found = answer(again.create(request, key))
        assert found.created, "the effect is this id's, whenever it was committed"
        if early:
            assert answer(early[0]).dataset.operation.id == found.dataset.operation.id
            seen_before += 1
        else:
            seen_anew += 1
        assert answer(again.create(request, key)).dataset.operation.id == found.dataset.operation.id
        assert found.dataset.generation == 1
        again.raw.close()
    assert seen_before + seen_anew == 4
