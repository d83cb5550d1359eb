"""The controller: takes jobs up, shares the workers among them, and alone decides what goes on."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from service.controller.dealing import deal
from service.controller.exporting import ExportQueue
from service.controller.handing import Hands
from service.controller.holding import Holding, Holdings
from service.controller.limiting import Limits, tell
from service.controller.running import RunningJob
from service.controller.work_ids import about
from service.database import Database, DatabaseLost
from service.exports.uploader import Uploader
from service.jobs import repository as jobs
from service.leases import repository as leases
from service.leases.repository import Held, LeaseLost
from service.quotas import repository as quotas
from service.settings import Settings
from service.sources.fetcher import Fetcher
from service.sources.finding import complete
from service.tables import Job
from service.webhooks.courier import Courier
from workers.interface import MakeWorkers
from workers.work import Result

log = structlog.get_logger(__name__)

_WAIT_SECONDS = 0.1
_POLL_SECONDS = 0.25
# Jobs taken up between two pieces of work: each has its log replayed.
_AT_ONCE = 8
# How long the end waits for what is being sent to webhooks.
_FAREWELL_SECONDS = 5.0
# After a database that does not answer is asked again.
_RETRY_SECONDS = 0.5


class Controller(threading.Thread):
    """One thread that owns the workers and moves jobs on, until `stop` is called.

    Several processes share a database: each job is moved on by the one that holds its lease.
    """

    def __init__(self, database: Database, settings: Settings, make_workers: MakeWorkers) -> None:
        super().__init__(name="controller", daemon=True)
        self._database = database
        self._settings = settings
        self._make_workers = make_workers
        self._holdings = Holdings(database, settings.workers, settings.lease_seconds)
        self._exports = ExportQueue(database, self._holdings, settings)
        self._uploader = Uploader(database, self._holdings, settings)
        self._courier = Courier(database, self._holdings, settings)
        self._limits = Limits(settings)
        self._fetcher = Fetcher(database, self._holdings, settings)
        self._running: dict[str, RunningJob] = {}
        self._stopping = threading.Event()
        self._polled = -math.inf
        self._has_database = True

    @property
    def works(self) -> bool:
        """Whether jobs are moved on: the thread is alive and its database answers."""
        return self.is_alive() and self._has_database

    def stop(self) -> None:
        """Ask the thread to end, once what is with the workers is recorded or time is up."""
        self._stopping.set()

    def run(self) -> None:
        """Poll for new and cancelled jobs, hand out work, record results.

        What goes wrong with one job or export ends that one. While the database does not answer,
        everything waits for it. What else goes wrong here ends the service: jobs that nobody moves
        on must not look alive.
        """
        try:
            with closing(Hands(self._make_workers())) as self._hands:
                self._move_jobs_on()
        except Exception:
            log.critical("controller_died", exc_info=True)
            os.kill(os.getpid(), signal.SIGTERM)

    def _move_jobs_on(self) -> None:
        self._uploader.start()
        self._courier.start()
        self._fetcher.start()
        while not self._stopping.is_set():
            try:
                self._holdings.start()
                self._move_on()
                self._has_database = True
            except DatabaseLost:
                self._lose_database()
        self._uploader.stop()
        self._fetcher.stop()
        self._drain()
        self._courier.stop()
        self._courier.join(_FAREWELL_SECONDS)

    def _move_on(self) -> None:
        if time.monotonic() - self._polled >= _POLL_SECONDS:
            self._poll()
            self._polled = time.monotonic()
        self._hand_out()
        self._take(self._hands.wait(_WAIT_SECONDS))

    def _poll(self) -> None:
        with self._database.snapshot() as session:
            active = {job.id: job for job in jobs.active(session)}
            held = leases.held(session)
            workers = leases.all_workers(session)
            self._limits.look(session, active.values())
        for running in [*self._running.values()]:
            if not self._holdings.keeps(held, running.id):
                self._lose(running.id)
            elif running.id not in active:
                self._leave(running)
            else:
                self._let_rest(running, active[running.id])
        for owner in self._hands.unclaimed:
            if not self._holdings.keeps(held, owner):
                self._hands.withdraw(owner)
        for job in active.values():
            if job.state == "cancelling":
                self._cancel(job, held)
            elif job.state == "pausing":
                self._pause(job, held)
        share = math.ceil(len(active) * self._settings.workers / max(workers, 1))
        self._give_back(len(self._running) - share)
        self._take_up(active.values(), held, share - len(self._running))
        self._holdings.doing = self._hands.occupations()
        self._hands.share({job_id: active[job_id].priority for job_id in self._running})

    def _give_back(self, count: int) -> None:
        """Leave so many jobs, that nothing is on its way for, to processes that have fewer."""
        idle = [running for running in self._running.values() if not running.flying]
        for running in idle[: max(count, 0)]:
            self._leave(running)

    def _take_up(self, active: Iterable[Job], held: Mapping[str, Held], count: int) -> None:
        """Take up to so many jobs that nobody holds: first those that work is here for, then the
        urgent ones."""
        free = [
            job
            for job in active
            if job.state not in {"cancelling", "pausing"}
            and job.phase != jobs.FETCH
            and job.id not in self._running
            and self._holdings.may_take(held, job.id)
        ]
        known = self._hands.unclaimed
        free.sort(key=lambda job: (job.id not in known, -job.priority))
        for job in self._limits.may_begin(free)[: min(max(count, 0), _AT_ONCE)]:
            if (holding := self._holdings.take(job.id)) is not None:
                self._try(partial(self._begin, job, holding), holding)

    def _begin(self, job: Job, holding: Holding) -> None:
        if not complete(job, self._settings):
            self._await_models(holding)
            return
        running = RunningJob(holding, job, self._settings)
        with holding.database.transaction() as session:
            if not quotas.may_run(session, job, self._settings):
                # Another process has been as quick with another job of the owner's.
                leases.release(session, holding.lease)
                return
            jobs.start(session, job.id)
        self._running[job.id] = running
        log.info("job_taken_up", job=job.id, name=job.name)

    def _let_rest(self, running: RunningJob, job: Job) -> None:
        """Hand nothing out for a job that pauses, or whose owner has had the trials of a day."""
        spent = self._limits.rests(job)
        running.resting = job.state == "pausing" or spent
        if running.spent != spent:
            running.spent = spent
            log.info("quota_reached" if spent else "quota_free", job=job.id, owner=job.owner)
            self._try(partial(self._tell_quota, running), running.holding)

    def _tell_quota(self, running: RunningJob) -> None:
        with running.holding.database.transaction() as session:
            tell(session, running.id, rests=running.spent)

    def _await_models(self, holding: Holding) -> None:
        """Leave a job whose models made room for others' since it was admitted."""
        with holding.database.transaction() as session:
            jobs.enter_phase(session, holding.lease.subject, jobs.FETCH)
            leases.release(session, holding.lease)

    def _cancel(self, job: Job, held: Mapping[str, Held]) -> None:
        if running := self._running.get(job.id):
            self._end(running.holding, "cancelled")
        elif self._holdings.may_take(held, job.id) and (holding := self._holdings.take(job.id)):
            self._end(holding, "cancelled")

    def _pause(self, job: Job, held: Mapping[str, Held]) -> None:
        """Leave the job once nothing is on its way for it."""
        if running := self._running.get(job.id):
            if not running.flying:
                self._end(running.holding, "paused")
        elif self._holdings.may_take(held, job.id) and (holding := self._holdings.take(job.id)):
            self._end(holding, "paused")

    def _hand_out(self) -> None:
        """Give each free worker a piece of work: an export's first, else the jobs in fair order."""
        while self._hands.free and (export := self._exports.next()):
            self._hands.give(*export)
        deal(lambda: self._hands.free, self._hands.order, self._give)

    def _give(self, job_id: str) -> bool:
        running = self._running[job_id]
        return self._try(partial(self._give_next, running), running.holding)

    def _give_next(self, running: RunningJob) -> bool:
        work = running.next_work()
        if work is not None:
            log.debug("work_begun", **about(work.id).said())
            self._hands.give(running.id, work)
        elif running.done:
            self._end(running.holding, "finished")
        return work is not None

    def _take(self, results: Sequence[Result]) -> None:
        for result in results:
            with bound_contextvars(**about(result.id).said()):
                self._take_one(result)

    def _take_one(self, result: Result) -> None:
        log.info(
            "work_ended",
            worker=result.worker,
            seconds=round(result.merge_seconds + result.score_seconds, 3),
            reason=result.reason,
        )
        if self._exports.owns(result):
            self._exports.record(result)
        elif running := self._running.get(about(result.id).job or ""):
            self._try(partial(running.record, result), running.holding)
        self._hands.done(result)

    def _try(self, step: Callable[[], bool | None], holding: Holding) -> bool:
        """Do something for a job; what goes wrong ends the job. Gives what the step does."""
        with bound_contextvars(job=holding.lease.subject):
            try:
                return bool(step())
            except DatabaseLost:
                raise
            except LeaseLost:
                self._lose(holding.lease.subject)
            except Exception as error:
                log.error("job_failed", exc_info=error)
                self._end(holding, "failed", f"{type(error).__name__}: {error}")
            return False

    def _end(self, holding: Holding, state: str, reason: str | None = None) -> None:
        job_id = holding.lease.subject
        self._drop(job_id)
        try:
            with holding.database.transaction() as session:
                if state == "paused":
                    jobs.settle_pause(session, job_id)
                else:
                    jobs.end(session, job_id, state, reason)
                leases.release(session, holding.lease)
            log.info("job_ended", job=job_id, state=state)
        except LeaseLost:
            self._lose(job_id)

    def _lose(self, job_id: str) -> None:
        log.warning("job_taken_over", job=job_id)
        self._drop(job_id)

    def _leave(self, running: RunningJob) -> None:
        log.info("job_left", job=running.id)
        self._drop(running.id)
        self._holdings.release(running.holding)

    def _drop(self, job_id: str) -> None:
        """Forget the job, and give up what is on its way for it."""
        self._running.pop(job_id, None)
        self._hands.withdraw(job_id)

    def _lose_database(self) -> None:
        """Wait for the database. What a broken transaction has left in memory is not to be trusted:
        jobs are taken up anew from their logs, and find what is with the workers again."""
        if self._has_database:
            log.error("database_lost", exc_info=True)
        self._has_database = False
        self._running.clear()
        self._exports.forget()
        self._hands.let_go()
        self._polled = -math.inf
        self._stopping.wait(_RETRY_SECONDS)

    def _drain(self) -> None:
        """Record what still comes in time, then leave everything to other processes."""
        deadline = time.monotonic() + self._settings.drain_seconds
        try:
            while self._hands.busy and time.monotonic() < deadline:
                self._take(self._hands.wait(_WAIT_SECONDS))
            for running in self._running.values():
                self._holdings.release(running.holding)
            self._exports.release()
            self._holdings.stop()
        except DatabaseLost:
            log.error("database_lost", exc_info=True)
