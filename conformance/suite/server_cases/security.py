"""TLS, certificates, principals."""

import ssl
import subprocess

from ..credentials import PRINCIPAL
from ..registry import SERVER, case
from ..server import Server


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
