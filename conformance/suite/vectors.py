"""The byte vectors: what a client sends behind preface and HELLO, and what must come of it (make_vectors.py says what the
fields mean)."""

from typing import Any

from framedrpc.wire import END, GOAWAY, HELLO, NO_MESSAGE, PREFACE, frame

from .raw import Raw

CHECK = "grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


def send(raw: Raw, vector: dict[str, Any]) -> None:
    """`raw` has not greeted."""
    data = bytes.fromhex(vector["send"])
    raw.send(data if vector.get("raw") else PREFACE + frame(HELLO, 0, 0, 0) + data)


def check(raw: Raw, vector: dict[str, Any]) -> None:
    if vector.get("silent"):
        raw.wait_closed()
        assert not [found for found in raw.frames if found.kind != HELLO]
        return
    if "goaway" in vector:
        found = raw.wait(lambda found: found.kind == GOAWAY)
        assert found.aux == vector["goaway"], found
        assert len(found.payload) >= 8
        raw.wait_closed()
        assert not [found for found in raw.frames if found.kind == GOAWAY]
        return
    found = raw.wait(lambda found: found.kind == END)
    if "answer" in vector:
        assert (found.end.code, found.body.hex()) == (0, vector["answer"]), found.end
    else:
        assert found.end.code == vector["end"], found.end
        assert found.flags & NO_MESSAGE
        assert not found.body
        assert found.refused == vector.get("refused", False), found.end
        if "reason" in vector:
            assert vector["reason"] in found.reasons
    if vector.get("close"):
        raw.wait_closed()
        return
    # Only the stream was concerned: the connection answers what comes next.
    raw.call(9_999, CHECK)
    assert raw.end(9_999).body == SERVING
