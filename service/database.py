"""The database connection: SQLite or PostgreSQL, many threads and processes at once, one behaviour.

Writing transactions follow one another, on both: what one reads cannot change under it before it
commits, and rows that are numbered within it appear in the order of their numbers. SQLite has one
writer by nature, but lets in whoever asks at the right moment: so a process's own threads take
turns, and processes ask often. On PostgreSQL every writer takes the same advisory lock first, which
is a queue. Readers see one moment and wait for nobody.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import Connection, Engine, ExceptionContext, Float, create_engine, event
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

import migrations
from service.turns import Turns

# The advisory lock that writers on PostgreSQL take; any number that is Cuvee's own.
_WRITERS = 0x63757665
_READING = "cuvee_reading"
# How long one waits for other writers.
_PATIENCE_SECONDS = 30
# How long PostgreSQL waits for a writer that does nothing: well below the time of a takeover, as
# one that was stopped in the middle keeps everybody from writing.
_IDLE_SECONDS = 10
# How long a process waits, at most, before it asks SQLite again whether it may write.
_ASKING_SECONDS = 0.01

# What is raised when the database does not answer, or breaks off in the middle: what was to be
# committed may have been, or not.
DatabaseLost = (OperationalError, InterfaceError, TimeoutError, NoConnection)


class Database:
    """Sessions on one database URL; every transaction commits whole or not at all."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        reading: dict[str, Any] = {_READING: True}
        if not self._is_sqlite:
            reading |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._writers = sessionmaker(self._engine, expire_on_commit=False)
        self._readers = sessionmaker(self._engine.execution_options(**reading), autoflush=False)
        self._check: Callable[[Session], None] | None = None
        self._turns = Turns()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, and rolls back on any error."""
        with self._turn(), self._writers.begin() as session:
            if self._check is not None:
                self._check(session)
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that only reads, all of it at one moment; it waits for no writer."""
        with self._readers() as session:
            yield session

    def guarded(self, check: Callable[[Session], None]) -> Database:
        """The same database for a writer that may lose its right to write.

        `check` is called within every writing transaction, before anything else; what it raises
        ends the transaction with nothing written.
        """
        guarded = copy(self)
        guarded._check = check
        return guarded

    def migrate(self) -> None:
        """Bring the schema to the newest revision; waits for another process that does the same."""
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        with self._alone(), self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def _turn(self) -> AbstractContextManager[None]:
        return self._turns.taken(_PATIENCE_SECONDS) if self._is_sqlite else nullcontext()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Turn SQLite to WAL, for which it does not wait for others: so they wait here."""
        path = self._engine.url.database
        with FileLock(f"{path}.migrating") if self._is_sqlite else nullcontext():
            if self._is_sqlite:
                with closing(self._engine.raw_connection()) as driver:
                    driver.cursor().execute("PRAGMA journal_mode=WAL")
            yield


class database_time(FunctionElement[float]):
    """Seconds since 1970 by the database's clock, at this very moment."""

    type = Float()
    inherit_cache = True


@compiles(database_time, "sqlite")
def _sqlite_time(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_time, "postgresql")
def _postgresql_time(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    # Not now(), which is when the transaction began: it may have waited for other writers since.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def _engine(url: str) -> Engine:
    # NaN is no JSON: PostgreSQL refuses it, so it is refused on both.
    # The values of a failed statement stay out of its error, which may be logged.
    options: dict[str, Any] = {
        "json_serializer": partial(json.dumps, allow_nan=False),
        "hide_parameters": True,
    }
    if url.startswith("sqlite"):
        arguments = {"timeout": _PATIENCE_SECONDS, "check_same_thread": False}
        engine = create_engine(url, connect_args=arguments, **options)
        _begin_sqlite_writers_at_once(engine)
    else:
        engine = create_engine(url, pool_pre_ping=True, **options)
        _let_postgresql_writers_queue(engine)
    return engine


def _begin_sqlite_writers_at_once(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # The driver's own transaction handling would begin lazily, as a reader: two readers that
        # both turn writer lose an update. Cuvee begins every transaction itself, below.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if _reads(connection):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_sqlite_writer(connection)


def _begin_sqlite_writer(connection: Connection) -> None:
    """Ask in even steps: SQLite's own waiting asks the less often the longer it has waited."""
    until = time.monotonic() + _PATIENCE_SECONDS
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        while not _begins(connection, last=time.monotonic() > until):
            time.sleep(random.uniform(0, _ASKING_SECONDS))
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * _PATIENCE_SECONDS}")


def _begins(connection: Connection, *, last: bool) -> bool:
    """Whether the writer is let in now; raises OperationalError if not at the last try."""
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError as error:
        if last or "locked" not in str(error.orig):
            raise
        return False
    return True


def _let_postgresql_writers_queue(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # A process that is stopped within a transaction must not keep the others from writing.
        connection.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'")
        connection.execute(f"SET lock_timeout = '{_PATIENCE_SECONDS}s'")
        connection.commit()

    @event.listens_for(engine, "after_cursor_execute")
    def on_executed(
        connection: Connection,
        _cursor: object,
        _statement: str,
        _parameters: object,
        _context: object,
        many: bool,
    ) -> None:
        # The driver sends many at once in a pipeline, and PostgreSQL does not count the time of a
        # client that stands still after one. After any other query it does.
        driver = connection.connection.driver_connection
        if many and driver is not None:
            driver.execute("SELECT 1")

    @event.listens_for(engine, "handle_error")
    def on_error(context: ExceptionContext) -> None:
        # Of a connection that the server has ended for being idle, the driver says that something
        # is wrong inside the database.
        found = context.sqlalchemy_exception
        if context.is_disconnect and isinstance(found, InternalError):
            cause = context.original_exception
            raise OperationalError(found.statement, found.params, cause) from found

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        if not _reads(connection):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def _reads(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(_READING, False))
