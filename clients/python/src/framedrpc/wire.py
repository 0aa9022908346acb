"""Frames and limits of FramedRPC/1 (docs/protocol.md)."""

import struct

#: Of ALPN.
PROTOCOL = "framed-rpc/1"
#: `\\0RPC/1\\r\\n`: neither HTTP nor TLS nor SSH.
PREFACE = b"\x00RPC/1\r\n"
MINOR_VERSION = 0

#: length, type, flags, aux, stream.
HEADER = struct.Struct(">IBBHI")
HEADER_SIZE = HEADER.size

HELLO, CALL, DATA, END, CANCEL, CREDIT, PING, GOAWAY = range(1, 9)

#: LAST ends the request; on PING it is ACK.
LAST = ACK = 0x01
MORE = 0x02
NO_MESSAGE = 0x04
COMPRESSED = 0x08
CONFLATED = 0x10
REFUSED = 0x20
IGNORABLE = 0x80

#: Bytes of a frame, header included, that every peer accepts; more until its HELLO says so is an error.
FLOOR_FRAME = 16_384
FLOOR_MESSAGE = 1 << 20
FLOOR_STREAMS = 100
FLOOR_CREDIT = 65_536
MAX_STREAM = 0x7FFF_FFFF
MAX_WINDOW = 0x7FFF_FFFF
#: Bytes of the reason in GOAWAY.
MAX_REASON = 256

CANCEL_UNSPECIFIED, CANCEL_CALLER, CANCEL_DEADLINE, CANCEL_SHUTDOWN, CANCEL_SLOW = range(5)
GOAWAY_DRAIN, GOAWAY_PROTOCOL, GOAWAY_FRAME_SIZE, GOAWAY_FLOW_CONTROL = range(4)


def frame(kind: int, flags: int, aux: int, stream: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload), kind, flags, aux, stream) + payload


class Violation(Exception):
    """The server broke the protocol: the connection is over."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class ReceiveWindow:
    """What the peer may still send on a stream, and what the next CREDIT will grant."""

    __slots__ = ("granted", "owed", "size")

    def __init__(self, size: int) -> None:
        self.size = self.granted = size
        self.owed = 0

    def receive(self, count: int) -> bool:
        """Body bytes came. False: more than was granted."""
        self.granted -= count
        return self.granted >= 0

    def owe(self, count: int) -> int:
        """These bytes were taken; the CREDIT to send now: all that is owed once that is half the window, else 0."""
        self.owed += count
        if not self.owed or self.owed * 2 < self.size:
            return 0
        credit, self.owed = self.owed, 0
        self.granted += credit
        return credit
