"""What the scripts share."""

from typing import Any

from conformance.v1.conformance_pb2 import Report, Value

from ..peer import PeerConnection
from ..raw import pattern

def report(payload: bytes = b"") -> bytes:
    return Report(payload=payload).SerializeToString()


def sized_report(size: int) -> bytes:
    """A report of so many bytes."""
    envelope = len(report(bytes(size - 8))) - (size - 8)
    return report(bytes(size - envelope))


def value(key: str, payload: bytes = b"") -> bytes:
    return Value(key=key, payload=payload).SerializeToString()


def checksum(data: bytes) -> int:
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xFFFF_FFFF
    return total


def is_pattern(message: dict[str, Any], size: int) -> bool:
    return message["size"] == size and message["sum"] == checksum(pattern(size))


def answers(peer: PeerConnection) -> None:
    """A plain server: every call gets an empty report."""
    peer.hello()
    while True:
        peer.answer(peer.call(), report())


def stays(peer: PeerConnection) -> None:
    """Reads until the client leaves."""
    while True:
        peer.frame()
