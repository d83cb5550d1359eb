"""A thread that fetches and converts the models that jobs wait for, one job after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from merging.checkpoint import content_digest
from search.spec import SearchSpec
from service.controller.holding import Holding, Holdings
from service.controller.repeating import Repeating, Stopped
from service.credentials import repository as credentials
from service.database import Database, DatabaseLost
from service.errors import ServiceError
from service.leases import repository as leases
from service.leases.repository import LeaseLost
from service.models import located
from service.settings import Settings
from service.sources import cache, finding, hub, repository
from service.sources.cache import NoRoom
from service.sources.hub import HubAway, Pinned
from service.sources.schemas import FetchView, Step
from service.tables import Job

log = structlog.get_logger(__name__)

PAUSES = (5.0, 30.0, 120.0)
"""Seconds before each further attempt where the hub is away."""

_REPORT_SECONDS = 1.0


class Fetcher(Repeating):
    """Brings the models of jobs in the phase `fetch` here, until `stop` is called.

    Of several processes the one that holds a job's lease does it, and of those that share a folder
    of downloads one at a time. One that stops in the middle leaves what it has, and the next goes
    on from there. Whoever cancels or pauses the job takes its lease, and so ends a download at its
    next report.
    """

    def __init__(self, database: Database, holdings: Holdings, settings: Settings) -> None:
        super().__init__("fetcher", self._fetch_all)
        self._database = database
        self._holdings = holdings
        self._settings = settings
        # Of jobs whose attempts failed: how many did, and when the next may be.
        self._attempts: dict[str, tuple[int, float]] = {}

    def _fetch_all(self) -> None:
        with self._database.snapshot() as session:
            waiting = [
                *repository.waiting(session),
                *(
                    job
                    for job in repository.exporting(session)
                    if not finding.complete(job, self._settings)
                ),
            ]
        due = [job for job in waiting if self._due(job.id)]
        if not due:
            return
        with cache.alone(self._settings.downloads_dir) as alone:
            for job in due if alone else []:
                holding = self._holdings.take(job.id)
                if holding is not None:
                    self._fetch(job, holding)

    def _due(self, job_id: str) -> bool:
        return self._attempts.get(job_id, (0, 0.0))[1] <= time.monotonic()

    def _failed(self, job: Job) -> int:
        return self._attempts.get(job.id, (0, 0.0))[0]

    def _put_off(self, job: Job, holding: Holding, error: ServiceError, *, failed: int) -> None:
        """Leave the job until the pause after so many failed attempts is over."""
        pause = PAUSES[max(failed - 1, 0)]
        log.warning("fetch_interrupted", job=job.id, reason=str(error), pause=pause)
        self._attempts[job.id] = (failed, time.monotonic() + pause)
        self._holdings.release(holding)

    def _fetch(self, job: Job, holding: Holding) -> None:
        reason = None
        digests: dict[str, str] = {}
        log.info("fetch_begun", job=job.id)
        try:
            digests = self._bring(job, holding.database)
        except (*DatabaseLost, LeaseLost, Stopped):
            raise
        except NoRoom as error:
            # Room comes when other jobs end, however long that takes.
            self._put_off(job, holding, error, failed=self._failed(job))
            return
        except HubAway as error:
            if (failed := self._failed(job)) < len(PAUSES):
                self._put_off(job, holding, error, failed=failed + 1)
                return
            reason = str(error)
        except ServiceError as error:
            reason = str(error)
        except Exception as error:
            log.error("fetch_failed", job=job.id, exc_info=error)
            # Its text could hold anything.
            reason = f"{type(error).__name__} while fetching the models"
        self._attempts.pop(job.id, None)
        with holding.database.transaction() as session:
            if reason is None:
                repository.arrived(session, job.id, digests)
            else:
                repository.missed(session, job.id, reason)
            leases.release(session, holding.lease)
        log.info("fetch_ended", job=job.id, reason=reason)

    def _bring(self, job: Job, database: Database) -> dict[str, str]:
        """Have all models of the job here; gives the content digests of those that had none."""
        spec = SearchSpec.model_validate(job.spec)
        downloads = self._settings.downloads_dir
        with self._database.snapshot() as session:
            token = credentials.token_of(session, job.owner, self._settings)
        missing = [
            one for one in finding.fetched(job, self._settings) if not cache.has(downloads, *one)
        ]
        models = [hub.pin(*one, token) for one in missing]
        models = [cache.describe(downloads, one, token)[0] for one in models]
        report = _Report(database, job.id, sum(one.size for one in models), self.stopping)
        self._make_room(models, report)
        for model in models:
            report.step("fetching")
            cache.fetch(downloads, model, token, report.grow)
        report.step("converting")
        checkpoints = located(spec, self._settings.models_dir, downloads)
        report.step("reading")
        return {
            alias: content_digest(info.path)
            for alias, info in checkpoints.items()
            if alias not in job.model_digests
        }

    def _make_room(self, models: Sequence[Pinned], report: _Report) -> None:
        with self._database.snapshot() as session:
            jobs = repository.wanted(session)
        needed = {one for job in jobs for one in finding.fetched(job, self._settings)}
        try:
            cache.make_room(
                self._settings.downloads_dir, models, self._settings.download_bytes, needed
            )
        except NoRoom:
            report.step("waiting")
            raise


class _Report:
    """How far the models of a job are, written down about once a second."""

    def __init__(
        self, database: Database, job_id: str, size: int, stopping: threading.Event
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._view = FetchView(step="fetching", done=0, size=size)
        self._stopping = stopping
        self._told = 0.0

    def grow(self, count: int) -> None:
        """More bytes are here. Raises LeaseLost, and Stopped."""
        done = min(max(self._view.done + count, 0), self._view.size)
        self._view = self._view.model_copy(update={"done": done})
        if time.monotonic() - self._told >= _REPORT_SECONDS:
            self._tell()

    def step(self, step: Step) -> None:
        """Another step begins. Raises LeaseLost, and Stopped."""
        fresh = self._view.model_copy(update={"step": step})
        if fresh != self._view or not self._told:
            self._view = fresh
            self._tell()

    def _tell(self) -> None:
        if self._stopping.is_set():
            raise Stopped
        with self._database.transaction() as session:
            repository.progressed(session, self._job_id, self._view)
        self._told = time.monotonic()
