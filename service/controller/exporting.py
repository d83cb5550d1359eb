"""Exports carried out: queued rows become checkpoint work, and its result ends the row."""

from __future__ import annotations

import json
from pathlib import Path

from service.controller.context import make_ready
from service.database import Database
from service.exports import repository as exports
from service.jobs import repository as jobs
from service.settings import Settings
from service.tables import Export
from service.trials import repository as trials
from workers.work import Result, Work, WriteCheckpoint

_TIMEOUT_SECONDS = 3600.0
_PREFIX = "export:"


class ExportQueue:
    """Hands out each queued export once.

    A service that stops in the middle leaves the row queued, and the next one begins it again:
    the folder appears only when it is whole, so a folder that is there is a finished export.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._flying: set[str] = set()

    def next(self) -> Work | None:
        """The next export to carry out, if there is one; one that cannot be is ended."""
        with self._database.snapshot() as session:
            fresh = [row for row in exports.queued(session) if row.id not in self._flying]
        for export in fresh:
            try:
                work = self._work(export)
            except Exception as error:
                self._end(export.id, f"{type(error).__name__}: {error}")
                continue
            if work is None:
                self._end(export.id, None)
                continue
            self._flying.add(export.id)
            return work
        return None

    def owns(self, result: Result) -> bool:
        """Whether the result is an export's."""
        return result.id.startswith(_PREFIX)

    def record(self, result: Result) -> None:
        """End the export's row."""
        export_id = result.id.removeprefix(_PREFIX)
        self._flying.discard(export_id)
        self._end(export_id, result.reason)

    def _work(self, export: Export) -> Work | None:
        """What is left to do for the export; None where a service before this one did it all."""
        folder = Path(export.folder)
        if folder.exists():
            return None
        with self._database.snapshot() as session:
            job = jobs.get(session, export.job_id)
            trial = trials.get(session, export.job_id, export.trial)
        return WriteCheckpoint(
            id=_PREFIX + export.id,
            context=make_ready(job, self._settings).context,
            recipe=json.dumps(trial.recipe),
            folder=folder,
            timeout_seconds=_TIMEOUT_SECONDS,
        )

    def _end(self, export_id: str, reason: str | None) -> None:
        with self._database.transaction() as session:
            exports.end(session, export_id, reason)
