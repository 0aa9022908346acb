"""Errors as application/problem+json (RFC 9457), the same on every URL of the data API.

The rule: a request that asks for something impossible is the client's (4xx, with what is wrong); a database that does
not answer is temporary (503, Retry-After); 500 is left for defects of ours, and is logged with its stack. Only errors
that are named here become 4xx; there is no ValueError → 400, which would hide defects.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from stac_fastapi.types import errors as stac_errors
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rio_tiler import errors as rio_errors
from tipg import errors as tipg_errors

from .database import DatabaseBusy

log = logging.getLogger("terrane.dataapi")


class Problem(Exception):
    """An error with an HTTP status, a stable reason and a sentence for a person."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: int | None = None):
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def response(self) -> Response:
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "reason": self.reason,
            "detail": self.message,
            # What STAC API's error schema asks for.
            "code": self.reason,
            "description": self.message,
        }
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return JSONResponse(body, self.status, headers, media_type="application/problem+json")


def _away(message: str, retry_after: int = 2) -> Problem:
    return Problem(503, "DATABASE_UNAVAILABLE", message, retry_after=retry_after)


# SQLSTATEs a user's filter can bring about in a query whose text is otherwise ours: operators that do not exist for
# the types compared, columns that are not there, values no type can hold, geometries PostGIS will not take.
_FILTER_FAULTS: tuple[type[Exception], ...] = (
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedColumnError,
    asyncpg.AmbiguousFunctionError,
    asyncpg.DatatypeMismatchError,
    asyncpg.CannotCoerceError,
    asyncpg.IndeterminateDatatypeError,
    asyncpg.GroupingError,
    asyncpg.PostgresSyntaxError,
    asyncpg.InternalServerError,  # XX000: how PostGIS says that it does not like a geometry
    asyncpg.StatementTooComplexError,
)

_TEXT = 300


def _said(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:_TEXT]


def _has_filter(request: Request) -> bool:
    """Whether the client put values of its own into the query (only then can a SQL error be its doing)."""
    return bool(request.url.query) or request.method == "POST"


def _from_database(error: asyncpg.PostgresError, request: Request) -> Problem | None:
    if isinstance(error, asyncpg.QueryCanceledError):
        return Problem(503, "QUERY_TIMEOUT", "The query took too long; ask for less, or later.", retry_after=5)
    if isinstance(error, asyncpg.LockNotAvailableError):
        return Problem(503, "DATABASE_BUSY", "The table is locked at the moment.", retry_after=2)
    if isinstance(
        error,
        asyncpg.PostgresConnectionError | asyncpg.OperatorInterventionError | asyncpg.InsufficientResourcesError
        | asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError,
    ):  # fmt: skip
        return _away("The database does not answer.")
    if isinstance(error, asyncpg.UndefinedTableError):
        # Its build was replaced and removed between the lookup and the query.
        return Problem(404, "DATASET_WITHDRAWN", "The data behind this collection is no longer there.")
    if isinstance(error, asyncpg.RaiseError):
        # pgstac raises these for what a search says (unknown tokens, operators, …).
        return Problem(400, "INVALID_PARAMETER", _said(error))
    if isinstance(error, asyncpg.DataError):
        return Problem(400, "INVALID_PARAMETER", _said(error))
    if isinstance(error, _FILTER_FAULTS) and _has_filter(request):
        return Problem(400, "INVALID_FILTER", _said(error))
    return None


_NAMED: dict[type[Exception], tuple[int, str]] = {
    tipg_errors.NotFound: (404, "NOT_FOUND"),
    tipg_errors.InvalidBBox: (400, "INVALID_PARAMETER"),
    tipg_errors.InvalidDatetime: (400, "INVALID_PARAMETER"),
    tipg_errors.InvalidLimit: (400, "INVALID_PARAMETER"),
    tipg_errors.InvalidPropertyName: (400, "UNKNOWN_PROPERTY"),
    tipg_errors.InvalidGeometryColumnName: (400, "UNKNOWN_PROPERTY"),
    tipg_errors.InvalidDatetimeColumnName: (400, "UNKNOWN_PROPERTY"),
    tipg_errors.MissingGeometryColumn: (404, "NO_GEOMETRY"),
    tipg_errors.MissingDatetimeColumn: (400, "NO_DATETIME"),
    tipg_errors.NoPrimaryKey: (404, "NOT_FOUND"),
    rio_errors.PointOutsideBounds: (404, "OUTSIDE"),
    rio_errors.NoAssetFoundError: (404, "OUTSIDE"),
    rio_errors.EmptyMosaicError: (404, "OUTSIDE"),
    # What rio-tiler names is about what was asked for.
    rio_errors.RioTilerError: (400, "INVALID_PARAMETER"),
    stac_errors.NotFoundError: (404, "NOT_FOUND"),
    stac_errors.InvalidQueryParameter: (400, "INVALID_PARAMETER"),
}


def translate(error: Exception, request: Request) -> Problem:
    """The problem an exception is; what nobody expected becomes a 500 and is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return Problem(400, "INVALID_PARAMETER", _validation(error))
    if isinstance(error, HTTPException):
        # Both libraries use 422 for values outside a range; a client has one kind of wrong parameter here.
        status = 400 if error.status_code == 422 else error.status_code
        reason = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "INVALID_PARAMETER"}.get(status, "HTTP_ERROR")
        return Problem(status, reason, str(error.detail)[:_TEXT])
    for kind, (status, reason) in _NAMED.items():
        if isinstance(error, kind):
            return Problem(status, reason, _said(error) or HTTPStatus(status).phrase)
    if isinstance(error, CPLE_BaseError):
        # GDAL on coordinates and reference systems of the request; what concerns the file comes as RasterioIOError.
        return Problem(400, "INVALID_PARAMETER", _said(error))
    if isinstance(error, RasterioError):
        # The file was there a moment ago, and is our own: a disk that fails, or a build that was just removed.
        log.error("raster cannot be read", exc_info=error, extra={"path": request.url.path, "query": request.url.query[:500]})
        return Problem(503, "RASTER_UNAVAILABLE", "The raster cannot be read at the moment.", retry_after=5)
    if isinstance(error, ValueError) and str(error).startswith("Too many bins"):
        # numpy's, of values that are as far apart as the next number is, or nearer.
        return Problem(400, "INVALID_PARAMETER", "The values lie too near to each other for a histogram.")
    if isinstance(error, DatabaseBusy):
        return Problem(503, "DATABASE_BUSY", "Too many requests at once.", retry_after=2)
    if isinstance(error, asyncpg.PostgresError) and (problem := _from_database(error, request)):
        if problem.status == 503:
            log.warning("database refused", extra={"sqlstate": error.sqlstate, "said": _said(error)})
        return problem
    if isinstance(error, OSError | TimeoutError) or _is_lost_connection(error):
        log.warning("database away", extra={"said": _said(error), "kind": type(error).__name__})
        return _away("The database does not answer.")
    log.error("request failed", exc_info=error, extra={"path": request.url.path, "query": request.url.query[:500]})
    return Problem(500, "INTERNAL", "The data API failed; the log says why.")


def _is_lost_connection(error: Exception) -> bool:
    # asyncpg's own word for a socket that closed under a query.
    return isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)


def _validation(error: RequestValidationError) -> str:
    sentences = []
    for one in error.errors()[:5]:
        where = ".".join(str(part) for part in one["loc"] if part not in ("query", "path", "body"))
        sentences.append(f"{where or 'request'}: {one['msg']}")
    return "; ".join(sentences)[:_TEXT]


Page = Callable[[Request, Problem], Response | None]


def install(app: FastAPI, page: Page | None = None) -> None:
    """Makes `app` answer every error with a problem; `page` may make an HTML page of it for a browser."""

    async def handler(request: Request, error: Exception) -> Response:
        problem = translate(error, request)
        return (page(request, problem) if page else None) or problem.response()

    app.exception_handlers.clear()
    kinds = [Problem, HTTPException, RequestValidationError, asyncpg.PostgresError, asyncpg.InterfaceError]
    kinds += [DatabaseBusy, CPLE_BaseError, RasterioError, OSError, TimeoutError, *_NAMED]
    for kind in kinds:
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, handler)
