"""The byte vectors of conformance/ against a real server, over a raw socket."""

import json
import socket
import ssl
import subprocess
import sys

import pytest
from support.server import CHECKOUT, Server

sys.path.insert(0, str(CHECKOUT / "clients/python/src"))
from framedrpc.v1.wire_pb2 import CallMeta, EndMeta  # noqa: E402
from framedrpc.wire import CALL, END, GOAWAY, HEADER, HEADER_SIZE, HELLO, LAST, NO_MESSAGE, PREFACE, PROTOCOL, REFUSED, frame  # noqa: E402

VECTORS = json.loads((CHECKOUT / "conformance/vectors.json").read_text())["vectors"]
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class RawPeer:
    """TLS and nothing else."""

    def __init__(self, server: Server) -> None:
        folder = server.data / "credentials/local-admin"
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "client.pem", folder / "client.key")
        context.set_alpn_protocols([PROTOCOL])
        plain = socket.create_connection(("127.0.0.1", server.rpc_port), 20)
        self._tls = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._in = b""
        self.is_closed = False

    def send(self, data: bytes) -> None:
        try:
            self._tls.sendall(data)
        except OSError:
            # The server may have closed before all was sent; what it said is still to be read.
            pass

    def frames(self):
        """type, flags, aux, stream, payload, until the server closes; the preface is passed over."""
        began = False
        while True:
            if not began and len(self._in) >= len(PREFACE):
                assert self._in.startswith(PREFACE)
                self._in, began = self._in[len(PREFACE) :], True
            while began and len(self._in) >= HEADER_SIZE:
                length, kind, flags, aux, stream = HEADER.unpack_from(self._in)
                if len(self._in) < HEADER_SIZE + length:
                    break
                payload, self._in = self._in[HEADER_SIZE : HEADER_SIZE + length], self._in[HEADER_SIZE + length :]
                yield kind, flags, aux, stream, payload
            try:
                data = self._tls.recv(65_536)
            except (ConnectionResetError, ssl.SSLError):
                data = b""
            if not data:
                self.is_closed = True
                return
            self._in += data

    def close(self) -> None:
        self._tls.close()


def health_check(stream: int) -> bytes:
    head = CallMeta(method="grpc.health.v1.Health/Check").SerializeToString()
    return frame(CALL, LAST, len(head), stream, head)


def reasons(meta: EndMeta) -> list[str]:
    """The reason of each ErrorInfo: its field 1, a string."""
    found = []
    for detail in meta.details:
        if detail.type_url == ERROR_INFO and detail.value[:1] == b"\x0a":
            found.append(detail.value[2 : 2 + detail.value[1]].decode())
    return found


def test_the_file_is_what_its_source_writes() -> None:
    command = [sys.executable, str(CHECKOUT / "conformance/make_vectors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(CHECKOUT / "clients/python/src")}, timeout=60)
    assert done.returncode == 0, done.stderr


def test_names_are_unique() -> None:
    names = [vector["name"] for vector in VECTORS]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vector(server: Server, vector: dict) -> None:
    peer = RawPeer(server)
    try:
        send = bytes.fromhex(vector["send"])
        peer.send(send if vector.get("raw") else PREFACE + frame(HELLO, 0, 0, 0) + send)
        check(peer, vector)
    finally:
        peer.close()


def check(peer: RawPeer, vector: dict) -> None:
    frames = peer.frames()
    if vector.get("silent"):
        assert not [kind for kind, *_ in frames if kind not in (HELLO,)]
        assert peer.is_closed
        return
    if "goaway" in vector:
        said = list(frames)
        assert peer.is_closed
        kind, _, code, _, payload = said[-1]
        assert (kind, code) == (GOAWAY, vector["goaway"]), said
        assert len(payload) >= 8
        return
    ended = next(found for found in frames if found[0] == END)
    _, flags, aux, _, payload = ended
    meta = EndMeta.FromString(payload[:aux])
    if "answer" in vector:
        assert (meta.code, payload[aux:].hex()) == (0, vector["answer"]), meta
    else:
        assert meta.code == vector["end"], meta
        assert flags & NO_MESSAGE and not payload[aux:]
        assert bool(flags & REFUSED) == vector.get("refused", False), meta
        if "reason" in vector:
            assert vector["reason"] in reasons(meta)
    if vector.get("close"):
        assert [kind for kind, *_ in frames] == []
        assert peer.is_closed
        return
    # Only the stream was concerned: the connection answers what comes next.
    peer.send(health_check(9_999))
    for kind, _, aux, stream, payload in frames:
        if kind == END and stream == 9_999:
            assert payload[aux:] == b"\x08\x01"
            return
    raise AssertionError("the connection did not live on")
