"""TLS, certificates, principals."""

import socket
import ssl
import subprocess

from framedrpc.v1.wire_pb2 import CallMeta, Header, ResumePoint
from framedrpc.wire import CALL, HELLO, LAST, PREFACE, frame

from ..credentials import PRINCIPAL
from ..raw import instruct
from ..registry import SERVER, case
from ..server import UNAUTHENTICATED, Server
from .streams import topic


@case(SERVER)
def mtls_ok(s: Server) -> None:
    s.connect().lives(1)


def _refused(s: Server, **how: object) -> None:
    """TLS 1.3 tells a client of it only after its own handshake: what it is told may be an alert, or the end."""
    try:
        raw = s.connect(**how)
        raw.wait_closed()
        assert not raw.frames, "the server spoke to a stranger"
    except ssl.SSLError:
        pass
    except AssertionError as error:
        if "TLS handshake" not in str(error):
            raise


@case(SERVER)
def mtls_wrong_ca(s: Server) -> None:
    _refused(s, identity=s.program.authority.stranger)


@case(SERVER)
def mtls_expired(s: Server) -> None:
    _refused(s, identity=s.program.authority.expired)


@case(SERVER)
def mtls_no_cert(s: Server) -> None:
    _refused(s, anonymous=True)


@case(SERVER)
def mtls_principal(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary")
    assert raw.ok(1).principal == PRINCIPAL


TOKENS = [
    {"token": "sesame", "principal": "framedrpc://conformance/token"},
    {"token": "short", "principal": "framedrpc://conformance/short", "expires_in_ms": 3_000},
]


def _bearer(token: str) -> list[Header]:
    return [Header(key="authorization", value=b"Bearer " + token.encode())]


@case(SERVER, tokens=TOKENS)
def token_ok(s: Server) -> None:
    """A token says who calls, with and without a certificate, and no handler sees it."""
    raw = s.connect(anonymous=True)
    raw.call(1, "Unary", metadata=[*_bearer("sesame"), Header(key="a", value=b"1")])
    report = raw.ok(1)
    assert report.principal == "framedrpc://conformance/token"
    assert [entry.key for entry in report.metadata] == ["a"]
    both = s.connect()
    both.call(1, "Unary", metadata=_bearer("sesame"))
    assert both.ok(1).principal == "framedrpc://conformance/token"
    both.call(3, "Unary")
    assert both.ok(3).principal == PRINCIPAL


@case(SERVER, tokens=TOKENS)
def token_bad(s: Server) -> None:
    raw = s.connect(anonymous=True)
    for index, value in enumerate((b"Bearer bad", b"Bearer ", b"sesame", b"Basic sesame", b"Bearer \xff\xfe", b"")):
        raw.call(2 * index + 1, "Unary", metadata=[Header(key="authorization", value=value)])
        found = raw.fails(2 * index + 1, UNAUTHENTICATED, refused=True)
        assert value.split(b" ")[-1] not in found.payload or not value.split(b" ")[-1], "the token is echoed"
    raw.call(101, "Unary", metadata=_bearer("sesame"))
    raw.ok(101)


@case(SERVER, tokens=TOKENS)
def token_expiry_midstream(s: Server) -> None:
    """A stream whose token runs out ends with its place; the connection lives, and a fresh token goes on."""
    s.publish("t", ("k", b"1"))
    raw = s.connect()
    raw.call(1, "Watch", topic("t"), metadata=_bearer("short"))
    epoch = raw.data(1).data.epoch
    raw.call(3, "Unary", instruct(delay_ms=60_000, tag="e"), metadata=_bearer("short"))
    raw.call(5, "Watch", topic("t"), metadata=_bearer("sesame"))
    end = raw.fails(1, UNAUTHENTICATED, refused=False, seconds=10).end
    assert end.resume_seq == 1
    raw.fails(3, UNAUTHENTICATED)
    s.until(lambda: s.observe("e").cancelled == 1, "the handler is told")
    raw.call(7, "Unary", metadata=_bearer("short"))
    raw.fails(7, UNAUTHENTICATED, refused=True)
    raw.call(9, "Watch", topic("t"), metadata=_bearer("sesame"), resume=ResumePoint(epoch=epoch, after_seq=end.resume_seq))
    s.publish("t", ("k", b"2"))
    assert raw.data(9).data.seq == 2
    assert raw.data(5).data.seq == 1
    assert raw.data(5).data.seq == 2


def _plain(s: Server, *parts: bytes, seconds: float = 10) -> bytes:
    """What the server answers on its Unix socket, until it closes or is silent for a while."""
    said = b""
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(seconds)
        plain.connect(s.program.unix_socket)
        for part in parts:
            plain.sendall(part)
        try:
            while data := plain.recv(65_536):
                said += data
                plain.settimeout(1)
        except (ConnectionError, TimeoutError):
            pass
    return said


@case(SERVER, unix_socket=True)
def unix_socket_principal(s: Server) -> None:
    """The same protocol without TLS; the kernel says who calls."""
    head = CallMeta(method="conformance.v1.ConformanceService/Unary").SerializeToString()
    said = _plain(s, PREFACE + frame(HELLO, 0, 0, 0, b""), frame(CALL, LAST, len(head), 1, head))
    assert said.startswith(PREFACE)
    assert b"framedrpc://conformance/process" in said


@case(SERVER, unix_socket=True)
def tls_on_plain(s: Server) -> None:
    """A ClientHello on the plaintext socket: closed without a word of GOAWAY."""
    said = _plain(s, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
    kinds = []
    at = len(PREFACE)
    while at + 12 <= len(said):
        kinds.append(said[at + 4])
        at += 12 + int.from_bytes(said[at : at + 4], "big")
    assert kinds in ([], [HELLO]), kinds
    # And the other listener still wants TLS.
    s.connect().lives(1)


def _openssl(s: Server, *arguments: str, send: bytes = b"") -> str:
    authority = s.program.authority
    command = [
        "openssl", "s_client", "-connect", f"127.0.0.1:{s.program.port}", "-CAfile", str(authority.certificate), "-cert",
        str(authority.peer.certificate), "-key", str(authority.peer.key), "-alpn", "framed-rpc/1", *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, input=send, capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


@case(SERVER)
def early_data_refused(s: Server) -> None:
    folder = s.program.authority.folder
    session, early = folder / f"session-{s.program.port}", folder / f"early-{s.program.port}"
    early.write_bytes(b"\x00RPC/1\r\n")
    _openssl(s, "-sess_out", str(session))
    if session.exists():
        said = _openssl(s, "-sess_in", str(session), "-early_data", str(early))
        assert "Early data was accepted" not in said
        assert "Early data was rejected" in said or "Early data was not sent" in said, said[-400:]


@case(SERVER)
def renegotiation_refused(s: Server) -> None:
    """There is none in TLS 1.3, and nothing older is spoken."""
    for version in ("-tls1_2", "-tls1_1"):
        said = _openssl(s, version)
        assert "alert" in said.lower() or "no protocols available" in said, said[-400:]
        assert "Cipher is (NONE)" in said or "New, (NONE)" in said, said[-400:]
    said = _openssl(s, send=b"R\n")
    assert "RENEGOTIATING" not in said or "wrong ssl version" in said.lower(), said[-400:]


@case(SERVER)
def tls_1_3_ciphers(s: Server) -> None:
    said = _openssl(s)
    assert "TLSv1.3" in said
    assert "AES_256_GCM" in said or "AES_128_GCM" in said or "CHACHA20" in said
    assert "ALPN protocol: framed-rpc/1" in said
