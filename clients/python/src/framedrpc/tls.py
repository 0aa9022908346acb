"""TLS of a connection: 1.3, ALPN, a client certificate."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from .wire import PROTOCOL


@dataclass(frozen=True)
class Credentials:
    """Files in PEM: who the client is, and whom it trusts."""

    certificate: str | Path
    key: str | Path
    authority: str | Path

    @classmethod
    def of_folder(cls, folder: str | Path) -> "Credentials":
        """A folder as the server makes it: client.pem, client.key, ca.pem."""
        folder = Path(folder)
        return cls(folder / "client.pem", folder / "client.key", folder / "ca.pem")

    def context(self) -> ssl.SSLContext:
        """Raises OSError where a file is not to be read, ssl.SSLError where it is not what it should be."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(self.certificate), str(self.key))
        context.set_alpn_protocols([PROTOCOL])
        return context


def check_protocol(agreed: str | None) -> None:
    if agreed != PROTOCOL:
        raise ConnectionError(f"the server does not speak {PROTOCOL}")
