"""Connections to PostgreSQL, from libpq's PG* variables, as a role that can only read.

Small pools, so that a slow query never makes the lookup of a route wait, nor a download a query. A pool opens nothing before its first
use and survives a database that goes away and comes back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson

# Seconds. A statement is ended by the server after STATEMENT; the client waits a little longer than that.
STATEMENT = 20
ACQUIRE = 10
CONNECT = 5
# A download's one statement.
DOWNLOAD = 3600


class DatabaseBusy(Exception):
    """Every connection of the pool was in use for `ACQUIRE` seconds."""


async def _decode_json(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=orjson.dumps, decoder=orjson.loads, schema="pg_catalog")


class Pool:
    """At most `size` connections; `acquire` is an async context manager, as tipg and stac-fastapi expect of a pool."""

    def __init__(self, name: str, *, search_path: str, size: int = 2, statement: int = STATEMENT, settings: dict[str, str] | None = None):
        self.name = name
        self._size = size
        self._statement = statement
        self._server_settings = {
            "application_name": f"terrane dataapi {name}",
            "search_path": search_path,
            "statement_timeout": f"{statement}s",
            "lock_timeout": "3s",
            "default_transaction_read_only": "on",
            "timezone": "UTC",
            # Requests are short; compiling them costs more than it saves.
            "jit": "off",
            **(settings or {}),
        }
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            min_size=0,
            max_size=self._size,
            max_inactive_connection_lifetime=300,
            timeout=CONNECT,
            command_timeout=self._statement + 5,
            init=_decode_json,
            server_settings=self._server_settings,
        )

    async def close(self) -> None:
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), 3)
            except TimeoutError:
                self._pool.terminate()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """Lends a connection. Raises `DatabaseBusy`, `OSError` or an asyncpg error when none can be had."""
        assert self._pool is not None, "the pool is opened when the application starts"
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE)
        except TimeoutError as error:
            raise DatabaseBusy(self.name) from error
        try:
            yield connection
        finally:
            await self._pool.release(connection)
