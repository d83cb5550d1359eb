"""Exports carried out: queued rows become checkpoint work, and its result ends the row."""

from __future__ import annotations

import json
from pathlib import Path

from service.controller.context import context_of
from service.database import Database
from service.exports import repository as exports
from service.jobs import repository as jobs
from service.settings import Settings
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
        """The next export to carry out, if there is one."""
        with self._database.transaction() as session:
            for export in exports.queued(session):
                if export.id in self._flying:
                    continue
                folder = Path(export.folder)
                if folder.exists():
                    exports.end(session, export.id, None)
                    continue
                self._flying.add(export.id)
                job = jobs.get(session, export.job_id)
                trial = trials.get(session, export.job_id, export.trial)
                return WriteCheckpoint(
                    id=_PREFIX + export.id,
                    context=context_of(job, self._settings),
                    recipe=json.dumps(trial.recipe),
                    folder=folder,
                    timeout_seconds=_TIMEOUT_SECONDS,
                )
        return None

    def owns(self, result: Result) -> bool:
        """Whether the result is an export's."""
        return result.id.startswith(_PREFIX)

    def record(self, result: Result) -> None:
        """End the export's row."""
        export_id = result.id.removeprefix(_PREFIX)
        self._flying.discard(export_id)
        with self._database.transaction() as session:
            exports.end(session, export_id, result.reason)
