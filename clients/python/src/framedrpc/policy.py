"""When a call is sent again, and how long to wait before (docs/protocol.md, "Deadlines, cancel, retry")."""

import random
import threading
from typing import Any

from .errors import RpcError, StatusCode
from .method import Idempotency, Method

MAX_ATTEMPTS = 4
#: What waits for a watcher that comes back, and for a connection that is opened again, in seconds.
FIRST_RECONNECT, RECONNECT_FACTOR, RECONNECT_CAP = 0.2, 1.6, 20.0
#: What a server promises to say at least every so many seconds where nothing else is agreed, and after how many times that a
#: stream is taken for dead.
DEFAULT_SILENCE, SILENCES = 15.0, 3
#: A connection that lived this long earns a quick return, in seconds.
GOOD_LIFE = 10.0


def jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)


class Backoff:
    """Waits between attempts to connect: growing, jittered, capped."""

    def __init__(self) -> None:
        self._next = FIRST_RECONNECT

    def next(self) -> float:
        wait, self._next = self._next, min(self._next * RECONNECT_FACTOR, RECONNECT_CAP)
        return jittered(wait)

    def reset(self) -> None:
        self._next = FIRST_RECONNECT


class RetryBudget:
    """Keeps retries from doubling the load of a server in trouble: ten tokens, one a retry, a tenth back a success."""

    def __init__(self, capacity: float = 10, refill: float = 0.1) -> None:
        self._capacity = self._tokens = capacity
        self._refill = refill
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        if self._tokens < self._capacity:
            with self._lock:
                self._tokens = min(self._capacity, self._tokens + self._refill)

    def take(self) -> bool:
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def may_resume(error: RpcError, was_answered: bool, failures: int) -> bool:
    """Whether a stream that broke is opened again. A server that has never answered may not be there at all: after a few
    attempts that is said."""
    unavailable = error.code is StatusCode.UNAVAILABLE
    if not unavailable and not (error.refused and error.code is StatusCode.RESOURCE_EXHAUSTED):
        return False
    if error.retry_after is not None and error.retry_after < 0:
        return False
    return was_answered or (error.refused and failures < MAX_ATTEMPTS)


class Retry:
    """The attempts of one call."""

    def __init__(self, method: Method[Any, Any], budget: RetryBudget) -> None:
        self._may_repeat = method.idempotency is not Idempotency.UNSPECIFIED
        self._budget = budget
        self._wait = FIRST_RECONNECT
        self._refused_once = False
        #: Of attempts that may have run.
        self._counted = 0
        #: How many times the call was sent.
        self.attempts = 0

    def after(self, error: RpcError) -> float | None:
        """Seconds to wait before the next attempt; None: the error is the answer."""
        error.attempts = self.attempts
        unavailable = error.code is StatusCode.UNAVAILABLE
        safe = error.refused and (unavailable or error.code is StatusCode.RESOURCE_EXHAUSTED)
        if not safe and not (unavailable and self._may_repeat):
            return None
        if error.retry_after is not None and error.retry_after < 0:
            return None
        if safe and not self._refused_once and error.retry_after is None:
            # It did not run, and another connection may take it: at once, and not counted.
            self._refused_once = True
            return 0.0
        self._counted += 1
        if self._counted >= MAX_ATTEMPTS or not self._budget.take():
            return None
        wait, self._wait = self._wait, self._wait * 2
        return jittered(wait) if error.retry_after is None else error.retry_after
