"""A proxy between a client and a server that does to their bytes what networks do."""

import contextlib
import enum
import socket
import struct
import threading
import time


class Fault(enum.Enum):
    NONE = "none"
    #: Every byte is a packet of its own.
    SPLIT = "split"
    #: Each piece comes 20 ms late.
    DELAY = "delay"
    #: After so many bytes to the client nothing passes any more, and nobody is told.
    DROP = "drop"
    #: After so many bytes to the client both ends get a reset.
    RESET = "reset"
    #: After so many bytes to the client its connection is closed towards it; what it sends still passes.
    HALF_CLOSE = "half-close"


class FaultProxy:
    """Does `fault` to the first `times` connections (each after `after` bytes to the client), and nothing to later ones."""

    def __init__(self, port: int, fault: Fault, after: int = 0, times: int = 1_000_000) -> None:
        self._target = port
        self._fault, self._after, self._times = fault, after, times
        self.connections = 0
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            fault = self._fault if self.connections <= self._times else Fault.NONE
            server = socket.create_connection(("127.0.0.1", self._target), 20)
            self._sockets += [client, server]
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink, to_client in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, fault, to_client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, fault: Fault, to_client: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if to_client and fault in (Fault.DROP, Fault.RESET, Fault.HALF_CLOSE) and passed + len(data) > self._after:
                    sink.sendall(data[: max(0, self._after - passed)])
                    return self._strike(source, sink, fault)
                if fault is Fault.DELAY:
                    time.sleep(0.02)
                for piece in (data[at : at + 1] for at in range(len(data))) if fault is Fault.SPLIT else (data,):
                    sink.sendall(piece)
                passed += len(data)
        if fault is not Fault.RESET:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def _strike(self, server: socket.socket, client: socket.socket, fault: Fault) -> None:
        if fault is Fault.HALF_CLOSE:
            client.shutdown(socket.SHUT_WR)
        if fault is not Fault.RESET:
            # The other direction goes on; nothing of this one does.
            with contextlib.suppress(OSError):
                while server.recv(65_536):
                    pass
            return
        for end in (server, client):
            # A close with this option is a reset, once nobody reads from it: a shutdown wakes the other direction's thread.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)
            end.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.close()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
