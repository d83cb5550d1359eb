"""The database connection: SQLite that many threads and processes may write to safely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

import migrations


class Database:
    """Sessions on one database URL; every transaction commits whole or not at all."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._writers = sessionmaker(self._engine, expire_on_commit=False)
        self._readers = sessionmaker(self._engine.execution_options(reading=True), autoflush=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end of the block, and rolls back on any error."""
        with self._writers.begin() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that only reads, all of it at one moment; it waits for no writer."""
        with self._readers() as session:
            yield session

    def migrate(self) -> None:
        """Bring the schema to the newest revision; waits for another process that does the same."""
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        # SQLite does not wait for others when it turns to WAL, so they wait here.
        with FileLock(f"{self._engine.url.database}.migrating"):
            with closing(self._engine.raw_connection()) as driver:
                driver.cursor().execute("PRAGMA journal_mode=WAL")
            with self._engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # The driver's own transaction handling would begin lazily, as a reader: two readers that
        # both turn writer lose an update. Cuvee begins every transaction itself, below.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
