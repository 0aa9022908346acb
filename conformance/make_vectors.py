"""Writes vectors.json: what a server of FramedRPC/1 does with given bytes.

    PYTHONPATH=clients/python/src python conformance/make_vectors.py

Each vector has a name, what it means, the bytes a client sends behind the preface and an empty HELLO (hex), and what must
come of it:

- `end`: the stream ends with this status code, `refused` or not; the connection goes on (a call behind it is answered);
- `reason`: of the ErrorInfo among END's details, where one is promised;
- `goaway`: the connection ends with this code;
- `close`: the connection ends, without a word where `silent`;
- `answer`: a call is answered with this body (hex).

`raw`: the bytes stand alone, without preface and HELLO. The method is `grpc.health.v1.Health/Check`, which every server has.
"""

import json
import sys
from pathlib import Path

from framedrpc.v1.wire_pb2 import CallMeta, Header
from framedrpc.wire import CALL, CANCEL, CREDIT, DATA, END, GOAWAY, HEADER, HELLO, LAST, MORE, NO_MESSAGE, PING, PREFACE, frame

CHECK = "grpc.health.v1.Health/Check"
#: HealthCheckRequest and HealthCheckResponse{status: SERVING}.
REQUEST, SERVING = b"", b"\x08\x01"
PROTOCOL, FRAME_SIZE, FLOW_CONTROL, CALM = 1, 2, 3, 4
INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 3, 4, 8, 12, 13


def call(stream: int = 1, flags: int = LAST, body: bytes = REQUEST, method: str = CHECK, head: bytes | None = None, **meta) -> bytes:
    head = CallMeta(method=method, **meta).SerializeToString() if head is None else head
    return frame(CALL, flags, len(head), stream, head + body)


def data(stream: int, flags: int, body: bytes = b"", head: bytes = b"") -> bytes:
    return frame(DATA, flags, len(head), stream, head + body)


def header(kind: int, length: int, flags: int = 0, aux: int = 0, stream: int = 0) -> bytes:
    """A header alone: what it announces is never read."""
    return HEADER.pack(length, kind, flags, aux, stream)


VECTORS: list[dict] = []


def vector(name: str, meaning: str, send: bytes, **reaction) -> None:
    VECTORS.append({"name": name, "meaning": meaning, "send": send.hex(), **reaction})


# Frames that are as they should be.
vector("call_minimal", "A call with an empty message.", call(), answer=SERVING.hex())
vector("call_in_fragments", "A message in two fragments.",
       call(flags=MORE, body=b"\x0a", message_bytes=2) + data(1, LAST, b"\x00"), answer=SERVING.hex())  # fmt: skip
vector("call_ends_in_an_empty_fragment", "The last fragment has no message.",
       call(flags=MORE, body=b"\x0a\x00", message_bytes=2) + data(1, LAST | NO_MESSAGE), answer=SERVING.hex())  # fmt: skip
vector("ping_first", "A PING before a call; its ACK and the answer come.", frame(PING, 0, 0, 0, bytes(8)) + call(), answer=SERVING.hex())
vector("credit_of_a_stream", "CREDIT behind a call, which may have ended meanwhile.",
       call() + frame(CREDIT, 0, 0, 1, (65_536).to_bytes(4, "big")), answer=SERVING.hex())  # fmt: skip
vector("cancel_of_an_ended_stream", "CANCEL behind a call, which may have ended meanwhile.",
       call() + frame(CANCEL, 0, 1, 1), answer=SERVING.hex())  # fmt: skip
vector("unknown_flags_and_fields", "Undefined flag bits and unknown fields of metadata are ignored.",
       call(flags=LAST | 0x40, head=CallMeta(method=CHECK).SerializeToString() + b"\xf8\x7f\x01"), answer=SERVING.hex())  # fmt: skip
vector("unknown_type_ignorable", "A frame of a later version, which may be passed over.",
       frame(0x7A, 0x80, 9, 0x8000_0001, b"later") + call(), answer=SERVING.hex())  # fmt: skip
vector("metadata", "Metadata of a call, 64 entries.",
       call(metadata=[Header(key=f"k{number}", value=b"\xff\x00") for number in range(64)]), answer=SERVING.hex())  # fmt: skip
vector("ids_with_gaps", "Ids need only rise.", call(7) + call(1_001), answer=SERVING.hex())
vector("goaway_of_the_client", "No more calls: the connection closes behind the last END.",
       call() + frame(GOAWAY, 0, 0, 0, bytes(8)), answer=SERVING.hex(), close=True)  # fmt: skip

# The violation table, row by row.
vector("preface_http", "Another protocol: closed without a word.", b"GET / HTTP/1.1\r\n\r\n", raw=True, close=True, silent=True)
vector("preface_of_another_version", "Another major version.", PREFACE.replace(b"/1", b"/2"), raw=True, close=True, silent=True)
vector("hello_missing", "CALL where HELLO should be.", PREFACE + call(), raw=True, goaway=PROTOCOL)
vector("hello_twice", "HELLO comes once.", frame(HELLO, 0, 0, 0), goaway=PROTOCOL)
vector("hello_too_tight", "max_message below its floor.", PREFACE + frame(HELLO, 0, 0, 0, b"\x10\x01"), raw=True, goaway=PROTOCOL)
vector("hello_not_protobuf", "HELLO that is no message.", PREFACE + frame(HELLO, 0, 0, 0, b"\xff"), raw=True, goaway=PROTOCOL)
vector("frame_too_long", "A frame above max_frame.", header(CALL, 16_384, LAST, stream=1), goaway=FRAME_SIZE)
vector("length_4gib", "The length's top byte is not 0.", header(CALL, 0xFFFF_FFFF, LAST, stream=1), goaway=FRAME_SIZE)
for kind, name in ((CALL, "call"), (DATA, "data")):
    vector(f"aux_beyond_{name}", "More metadata than frame.", header(kind, 8, LAST, 9, 1) + bytes(8), goaway=PROTOCOL)
vector("unknown_type", "A type that is neither known nor may be passed over.", header(0x55, 0), goaway=PROTOCOL)
for kind, size, name in ((PING, 7, "ping"), (CREDIT, 5, "credit"), (GOAWAY, 7, "goaway"), (CANCEL, 1, "cancel")):
    stream = 1 if kind in (CREDIT, CANCEL) else 0
    vector(f"length_of_{name}", f"{name.upper()} of a wrong length.", frame(kind, 0, 0, stream, bytes(size)), goaway=FRAME_SIZE)
vector("end_from_a_client", "Only servers send END.", frame(END, 0, 0, 1), goaway=PROTOCOL)
vector("stream_id_even", "Even ids are reserved.", call(2), goaway=PROTOCOL)
vector("stream_id_reused", "An id is used once.", call() + call(), goaway=PROTOCOL)
vector("stream_id_backwards", "Ids rise.", call(5) + call(3), goaway=PROTOCOL)
vector("data_never_opened", "DATA above every id.", data(9, LAST), goaway=PROTOCOL)
vector("cancel_never_opened", "CANCEL above every id.", frame(CANCEL, 0, 1, 9), goaway=PROTOCOL)
vector("credit_zero", "CREDIT of nothing.", call() + frame(CREDIT, 0, 0, 1, bytes(4)), goaway=FLOW_CONTROL)
vector("credit_on_stream_0", "The connection has no window.", frame(CREDIT, 0, 0, 0, (1).to_bytes(4, "big")), goaway=FLOW_CONTROL)
vector("credit_past_the_limit", "A window above 2^31-1.",
       call(flags=MORE, message_bytes=9) + frame(CREDIT, 0, 0, 1, (0x7FFF_FFFF).to_bytes(4, "big")), goaway=FLOW_CONTROL)  # fmt: skip
vector("metadata_too_large", "Metadata above 8 KiB.",
       call(metadata=[Header(key="k", value=bytes(8_200))]), end=INVALID_ARGUMENT, refused=True)  # fmt: skip
vector("metadata_too_many", "More than 64 entries.",
       call(metadata=[Header(key="k")] * 65), end=INVALID_ARGUMENT, refused=True)  # fmt: skip
vector("metadata_key", "A key outside [a-z0-9_.-].", call(metadata=[Header(key="Key")]), end=INVALID_ARGUMENT, refused=True)
vector("metadata_not_protobuf", "Metadata that is no message.", call(head=b"\xff\xff"), end=INVALID_ARGUMENT, refused=True)
vector("request_id_length", "A request id has 16 bytes.", call(request_id=b"short"), end=INVALID_ARGUMENT, refused=True)
vector("initial_credit_tiny", "Initial credit below 4,096 that is not 0.", call(initial_credit=1), end=INVALID_ARGUMENT, refused=True)
vector("message_too_large", "message_bytes above max_message.",
       call(flags=MORE, message_bytes=1 << 30), end=RESOURCE_EXHAUSTED, reason="MESSAGE_TOO_LARGE")  # fmt: skip
vector("message_not_protobuf", "A body that is no message of the method.", call(body=b"\xff\xff"), end=INVALID_ARGUMENT)
vector("message_invalid_utf8", "A string that is not UTF-8.", call(body=b"\x0a\x01\xff"), end=INVALID_ARGUMENT)
vector("message_group", "A group, which proto3 has not.", call(body=b"\x0b\x0c"), end=INVALID_ARGUMENT)
for flags, name in ((MORE | LAST, "more_and_last"), (NO_MESSAGE | LAST, "no_message"), (NO_MESSAGE | MORE, "no_message_and_more")):
    vector(f"call_{name}", "Flags that a CALL cannot have.",
           call(flags=flags, message_bytes=0), end=INTERNAL, reason="PROTOCOL_VIOLATION")  # fmt: skip
vector("fragments_without_size", "A fragmented message that does not say how long it is.",
       call(flags=MORE), end=INTERNAL, reason="PROTOCOL_VIOLATION")  # fmt: skip
vector("message_bytes_wrong_of_one", "message_bytes is not the body's size.",
       call(body=b"\x0a\x00", message_bytes=3), end=INTERNAL, reason="PROTOCOL_VIOLATION")  # fmt: skip
vector("message_bytes_too_many", "More fragments than message_bytes.",
       call(flags=MORE, body=b"\x0a", message_bytes=2) + data(1, LAST, b"\x00\x00"), end=INTERNAL, reason="PROTOCOL_VIOLATION")  # fmt: skip
vector("message_bytes_too_few", "Fewer bytes than message_bytes.",
       call(flags=MORE, body=b"\x0a", message_bytes=3) + data(1, LAST, b"\x00"), end=INTERNAL, reason="PROTOCOL_VIOLATION")  # fmt: skip
vector("fragment_with_metadata", "Metadata on a later fragment.",
       call(flags=MORE, body=b"\x0a", message_bytes=2) + data(1, LAST, b"\x00", b"\x08\x01"), end=INTERNAL,
       reason="PROTOCOL_VIOLATION")  # fmt: skip
vector("client_streaming", "A CALL with neither LAST nor MORE is reserved.", call(flags=0), end=UNIMPLEMENTED, refused=True)
vector("compressed", "No codec is defined.", call(flags=LAST | 0x08), end=UNIMPLEMENTED)
vector("unimplemented_method", "A method there is not.", call(method="grpc.health.v1.Health/Nothing"), end=UNIMPLEMENTED)
vector("unimplemented_service", "A service there is not.", call(method="no.such.Service/Call"), end=UNIMPLEMENTED)
vector("expired_on_arrival", "A timeout of 0.", call(timeout_ms=0), end=DEADLINE_EXCEEDED, refused=True)
vector("early_pings", "Three PINGs, each right behind the one before.", frame(PING, 0, 0, 0, bytes(8)) * 4, goaway=CALM)
vector("ignorable_flood", "More frames of unknown types than there are tokens.", frame(0x7A, 0x80, 0, 0) * 201, goaway=CALM)
vector("crossing_frames", "As many frames for a stream that is over as can have crossed its END.",
       call() + frame(CREDIT, 0, 0, 1, (65_536).to_bytes(4, "big")) * 8, answer=SERVING.hex())  # fmt: skip

if __name__ == "__main__":
    place = Path(__file__).with_name("vectors.json")
    text = json.dumps({"protocol": "framed-rpc/1", "vectors": VECTORS}, indent=1) + "\n"
    if "--check" in sys.argv and place.read_text() != text:
        raise SystemExit("vectors.json is not what make_vectors.py writes")
    place.write_text(text)
