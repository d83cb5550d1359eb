"""A thread that uploads what is written, one export after another."""

from __future__ import annotations

from pathlib import Path

import structlog
from huggingface_hub import HfApi
from structlog.contextvars import bound_contextvars

from service.controller.holding import Holding, Holdings
from service.controller.repeating import Repeating
from service.credentials import repository as credentials
from service.database import Database, DatabaseLost
from service.errors import ServiceError
from service.exports import repository as exports
from service.exports.hub import UploadFailed, upload
from service.jobs import repository as jobs
from service.leases import repository as leases
from service.leases.repository import LeaseLost
from service.settings import Settings
from service.tables import Export

log = structlog.get_logger(__name__)


class Uploader(Repeating):
    """Carries exports in state `uploading` to the hub, until `stop` is called.

    Of several processes on a database the one that holds an export's lease uploads it. One that
    stops in the middle leaves the row as it is, and the next goes on: the hub keeps the files that
    it has, and the commit is one either way.
    """

    def __init__(self, database: Database, holdings: Holdings, settings: Settings) -> None:
        super().__init__("uploader", self._carry_all)
        self._database = database
        self._holdings = holdings
        self._settings = settings

    def _carry_all(self) -> None:
        with self._database.snapshot() as session:
            waiting = exports.in_state(session, "uploading")
        for export in waiting:
            if self.stopping.is_set():
                break
            holding = self._holdings.take(export.id)
            if holding is not None:
                with bound_contextvars(job=export.job_id, export=export.id, trial=export.trial):
                    self._carry(export, holding)

    def _carry(self, export: Export, holding: Holding) -> None:
        reason = commit = None
        try:
            commit = self._upload(export, holding.database)
        except (*DatabaseLost, LeaseLost):
            raise
        except (ServiceError, OSError) as error:
            reason = str(error)
        except Exception as error:
            # Its text could hold anything.
            reason = f"{type(error).__name__} while uploading"
        log.info("upload_ended", commit=commit, reason=reason)
        with holding.database.transaction() as session:
            if commit is not None:
                exports.committed(session, export.id, commit)
            else:
                exports.end(session, export.id, reason)
            leases.release(session, holding.lease)

    def _upload(self, export: Export, database: Database) -> str:
        assert export.repository is not None
        with self._database.snapshot() as session:
            name = jobs.get(session, export.job_id).name
            token = credentials.token_of(session, export.owner, self._settings)
        if token is None:
            raise UploadFailed(f"{export.owner} has no token for the hub here any more")

        def report(done: int, size: int) -> None:
            with database.transaction() as session:
                exports.progressed(session, export.id, done, size)

        return upload(
            Path(export.folder),
            export.repository,
            public=export.public,
            message=f"Trial {export.trial} of {name}, by Cuvee",
            api=HfApi(token=token),
            report=report,
        )
