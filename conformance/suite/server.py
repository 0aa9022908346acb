"""What a case for servers works with."""

import time
from collections.abc import Callable
from typing import Any

from conformance.v1.conformance_pb2 import Observation, ObserveRequest, PublishRequest, PublishResponse, Value

from .programs import ServerProgram
from .raw import SECONDS, Raw

# Of gRPC.
(
    OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED,
    FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED,
) = range(17)  # fmt: skip
# Of GOAWAY.
DRAIN, PROTOCOL_ERROR, FRAME_SIZE, FLOW_CONTROL, CALM, INTERNAL_ERROR, AUTH, IDLE = range(8)


class Server:
    """A running server and the connections of a case."""

    def __init__(self, program: ServerProgram) -> None:
        self.program = program
        self._open: list[Raw] = []
        self._control: Raw | None = None
        self._next = 1

    def connect(self, **how: Any) -> Raw:
        self._open.append(Raw(self.program.port, self.program.authority, **how))
        return self._open[-1]

    def _ask(self, method: str, request: bytes) -> bytes:
        """A call beside the case, on a connection of its own."""
        if self._control is None or self._control.is_closed:
            self._control, self._next = self.connect(), 1
        stream, self._next = self._next, self._next + 2
        self._control.call(stream, method, request)
        found = self._control.end(stream)
        assert found.end.code == 0, f"{method}: {found.end.message}"
        return found.body

    def publish(self, topic: str, *values: tuple[str, bytes] | Value, finish: bool = False, forget_to: int = 0) -> PublishResponse:
        made = [value if isinstance(value, Value) else Value(key=value[0], payload=value[1]) for value in values]
        request = PublishRequest(topic=topic, values=made, finish=finish, forget_to=forget_to)
        return PublishResponse.FromString(self._ask("Publish", request.SerializeToString()))

    def streams(self, topic: str, count: int) -> None:
        """Waits until the topic has so many streams."""
        self.until(lambda: self.publish(topic).streams == count, f"{count} streams")

    def observe(self, tag: str) -> Observation:
        return Observation.FromString(self._ask("Observe", ObserveRequest(tag=tag).SerializeToString()))

    def until(self, holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            time.sleep(0.02)

    def close(self) -> None:
        for raw in self._open:
            raw.close()
