"""TLS of a connection: 1.3, ALPN, a client certificate."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .wire import PROTOCOL


@dataclass(frozen=True)
class Credentials:
    """Who the client is, and whom it trusts: files in PEM, and a bearer token in place of the first two, or beside them."""

    certificate: str | Path | None
    key: str | Path | None
    authority: str | Path
    #: Shown with every call. A function is asked each time: the token may change.
    token: str | Callable[[], str] | None = None

    @classmethod
    def of_folder(cls, folder: str | Path) -> "Credentials":
        """A folder as the server makes it: client.pem, client.key, ca.pem; or token, ca.pem."""
        folder = Path(folder)
        if (folder / "token").exists() and not (folder / "client.pem").exists():
            return cls(None, None, folder / "ca.pem", lambda: (folder / "token").read_text().strip())
        return cls(folder / "client.pem", folder / "client.key", folder / "ca.pem")

    @property
    def authorization(self) -> str | None:
        """The metadata that shows the token; None: there is none."""
        token = self.token() if callable(self.token) else self.token
        return None if token is None else f"Bearer {token}"

    def context(self) -> ssl.SSLContext:
        """Raises OSError where a file is not to be read, ssl.SSLError where it is not what it should be."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.certificate is not None:
            context.load_cert_chain(str(self.certificate), None if self.key is None else str(self.key))
        context.set_alpn_protocols([PROTOCOL])
        return context


def check_protocol(agreed: str | None) -> None:
    if agreed != PROTOCOL:
        raise ConnectionError(f"the server does not speak {PROTOCOL}")
