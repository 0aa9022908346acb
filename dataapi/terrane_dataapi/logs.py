"""Logs: one JSON object a line on stderr."""

import datetime
import json
import logging
import sys
import traceback
import warnings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JSONLines(logging.Formatter):
    """Formats a record as one JSON object; what was given as `extra=` becomes fields of it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD:
                line[key] = value
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = "".join(traceback.format_exception(record.exc_info[1]))[-8000:]
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str) -> None:
    """Sends every logger of this process to stderr in JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # A download that breaks off does so on purpose, and has said why.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing response" not in record.getMessage())
    logging.captureWarnings(True)
    # What the raster libraries remark about files and requests, and tell those who write programs: no operator can act on it.
    for category in (UserWarning, DeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category)
    # numpy's, on values that are no numbers and on formulas that divide by nothing.
    warnings.filterwarnings("ignore", ".* encountered in |All-NaN|Mean of empty|Degrees of freedom", RuntimeWarning)
    # tipg and stac-fastapi log every refused request with a stack trace; `problems` logs what matters.
    logging.getLogger("tipg").setLevel(logging.CRITICAL)
    logging.getLogger("stac_fastapi").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    # A line for every tile, and every remark of the reader about what it makes good itself.
    for name in ("titiler", "rio_tiler", "numexpr"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("rasterio").setLevel(logging.ERROR)
