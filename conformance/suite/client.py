"""What a case for clients works with."""

from collections.abc import Sequence
from typing import Any

from framedrpc import Credentials

from .credentials import Authority, Identity
from .peer import Peer, Script
from .programs import PATIENCE, run_client


class Client:
    """A client under test, and the scripted servers it meets."""

    def __init__(self, command: Sequence[str], authority: Authority) -> None:
        self._command = command
        self.authority = authority
        self._peers: list[Peer] = []

    def serve(self, *scripts: Script, identity: Identity | None = None, **how: Any) -> Peer:
        """A server that follows a script a connection; the last one again for all that come later."""
        identity = identity or self.authority.peer
        credentials = Credentials(identity.certificate, identity.key, self.authority.certificate)
        self._peers.append(Peer(credentials, *scripts, **how))
        return self._peers[-1]

    def run(self, peer: Peer, *calls: dict[str, Any], seconds: float = PATIENCE, **config: Any) -> list[dict[str, Any]]:
        """What came of the calls, made one after another."""
        config = {"host": "127.0.0.1", "port": peer.port, "credentials": self.authority.config(), "calls": list(calls), **config}
        outcomes = run_client(self._command, config, seconds)
        peer.join()
        return outcomes

    def one(self, peer: Peer, call: dict[str, Any], **config: Any) -> dict[str, Any]:
        return self.run(peer, call, **config)[0]

    def told(self) -> str:
        errors = [f"{type(error).__name__}: {error}" for peer in self._peers for error in [*peer.errors, *peer.ends]]
        return f"; scripts: {errors}" if errors else ""

    def check(self) -> None:
        """What scripts asserted."""
        for peer in self._peers:
            if peer.errors:
                raise peer.errors[0]

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
