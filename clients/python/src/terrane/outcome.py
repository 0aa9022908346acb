"""What became of an operation, and how far it is."""

import enum
import sys
from collections.abc import Callable
from typing import TextIO

from framedrpc import RpcError

from .names import text_of
from .v1.dataset_pb2 import OPERATION_STATE_CANCELLED, OPERATION_STATE_FAILED, Dataset, DatasetStatus, Operation
from .v1.problem_pb2 import Problem

OnProgress = Callable[[DatasetStatus], object]


class Status(enum.IntEnum):
    """The outward status of a dataset."""

    #: Also one that this version does not know: not an end.
    UNKNOWN = 0
    REQUESTED = 1
    PROVISIONING = 2
    PROCESSING = 3
    READY = 4
    UPDATING = 5
    INPUT_REQUIRED = 6
    FAILED = 7
    CANCELLED = 8
    DEPRECATED = 9
    DELETED = 10


class DatasetFailed(Exception):
    """The operation that was waited for ended without what was asked for; `problem` says why and how to mend it."""

    def __init__(self, dataset: Dataset, operation: Operation) -> None:
        self.dataset = dataset
        self.operation = operation
        self.problem: Problem | None = operation.problem if operation.HasField("problem") else None
        what = text_of(dataset.name)
        if self.problem is None:
            super().__init__(f"{what} was cancelled")
        else:
            super().__init__(f"{what}: {self.problem.reason}: {self.problem.message} {self.problem.remedy}".rstrip())

    @property
    def is_cancelled(self) -> bool:
        return bool(self.operation.state == OPERATION_STATE_CANCELLED)


def check(dataset: Dataset) -> Dataset:
    """The dataset, if its newest operation did what it should. Raises DatasetFailed."""
    # While an older build is served on, the operation that failed is told beside it.
    operation = dataset.last_operation if dataset.HasField("last_operation") else dataset.operation
    if operation.state in (OPERATION_STATE_FAILED, OPERATION_STATE_CANCELLED):
        raise DatasetFailed(dataset, operation)
    return dataset


def problem(error: RpcError) -> Problem | None:
    """What a refused call says of itself: a stable reason, whether its user can mend it, and how."""
    return error.detail(Problem)


def status(of: DatasetStatus | Dataset) -> Status:
    """The status of a record, or of what a watch says."""
    try:
        return Status(int(of.status))
    except ValueError:
        return Status.UNKNOWN


class ProgressLine:
    """Shows an operation as one line that is written over (a terminal), or as a line a step (anything else)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._step = ""
        self._shown = 0

    def __call__(self, told: DatasetStatus) -> None:
        progress = told.progress
        step = f"{progress.step_number}/{progress.step_count or '?'} {progress.step}" if progress.step else status(told).name.lower()
        if self._stream.isatty():
            filled = round(progress.percent / 5)
            line = f"[{'#' * filled}{'.' * (20 - filled)}] {progress.percent:3.0f} %  {step}  {progress.message}"
            self._stream.write("\r" + line[:119].ljust(self._shown))
            self._shown = len(line[:119])
            if status(told) in (Status.READY, Status.FAILED, Status.CANCELLED):
                self._stream.write("\n")
        elif step != self._step:
            self._stream.write(f"{progress.percent:3.0f} %  {step}  {progress.message}\n")
        self._step = step
        self._stream.flush()
