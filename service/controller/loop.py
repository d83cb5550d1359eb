"""The controller: takes jobs up, shares the workers among them, and alone decides what goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator

import structlog

from service.controller.context import make_ready, with_built
from service.controller.exporting import ExportQueue, write_step
from service.controller.life import Life
from service.controller.needs import Build, Preparation, Step, Task
from service.database import Database
from service.jobs import repository as jobs
from service.settings import Settings
from service.tables import Job
from workers.pool import Pool
from workers.work import Evaluate, Prepare, Result, Work

log = structlog.get_logger(__name__)

_WAIT_SECONDS = 0.1
_POLL_SECONDS = 0.25
# A large model's statistics take longer than an evaluation.
_PREPARE_SECONDS = 3600.0


class Controller(threading.Thread):
    """One thread that owns the pool and moves every active job on, until `stop` is called."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(name="controller", daemon=True)
        self._database = database
        self._settings = settings
        self._exports = ExportQueue(database, settings)
        self._running: dict[str, _RunningJob] = {}
        self._turn: deque[str] = deque()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end; unfinished evaluations are begun again by the next service."""
        self._stopping.set()

    def run(self) -> None:
        """Poll for new and cancelled jobs, hand out work, record results.

        What goes wrong with one job or export ends that one. What goes wrong here, such as a lost
        database, ends the service: jobs that nobody moves on must not look alive.
        """
        try:
            self._move_jobs_on()
        except Exception:
            log.critical("controller_died", exc_info=True)
            os.kill(os.getpid(), signal.SIGTERM)

    def _move_jobs_on(self) -> None:
        pool = Pool(self._settings.workers)
        try:
            polled = float("-inf")
            while not self._stopping.is_set():
                if time.monotonic() - polled >= _POLL_SECONDS:
                    self._poll(pool)
                    polled = time.monotonic()
                self._hand_out(pool)
                for result in pool.wait(_WAIT_SECONDS):
                    self._take(result)
        finally:
            pool.close()

    def _poll(self, pool: Pool) -> None:
        with self._database.snapshot() as session:
            active = jobs.active(session)
        for job in active:
            if job.state == "cancelling":
                self._cancel(job, pool)
            elif job.id not in self._running:
                self._take_up(job)

    def _take_up(self, job: Job) -> None:
        try:
            running = _RunningJob(self._database, job, self._settings)
        except Exception as error:
            self._fail(job.id, error)
            return
        with self._database.transaction() as session:
            jobs.start(session, job.id)
        log.info("job_taken_up", job=job.id, name=job.name)
        self._running[job.id] = running
        self._turn.append(job.id)

    def _cancel(self, job: Job, pool: Pool) -> None:
        if running := self._running.get(job.id):
            pool.withdraw(running.flying)
            self._drop(job.id)
        with self._database.transaction() as session:
            jobs.end(session, job.id, "cancelled")
        log.info("job_cancelled", job=job.id)

    def _hand_out(self, pool: Pool) -> None:
        """Give each free worker one evaluation, the jobs taking turns."""
        while pool.free and (export := self._exports.next()):
            pool.submit(export)
        idle: set[str] = set()
        while pool.free and len(idle) < len(self._turn):
            job_id = self._turn[0]
            self._turn.rotate(-1)
            work = self._next_work(job_id)
            if work is not None:
                pool.submit(work)
            elif job_id in self._running:
                idle.add(job_id)

    def _next_work(self, job_id: str) -> Work | None:
        running = self._running[job_id]
        try:
            work = running.next_work()
        except Exception as error:
            self._drop(job_id)
            self._fail(job_id, error)
            return None
        if work is None and running.done:
            self._drop(job_id)
            with self._database.transaction() as session:
                jobs.end(session, job_id, "finished")
            log.info("job_finished", job=job_id)
        return work

    def _take(self, result: Result) -> None:
        if self._exports.owns(result):
            self._exports.record(result)
        elif running := self._running.get(result.id.partition(":")[0]):
            try:
                running.record(result)
            except Exception as error:
                self._drop(running.id)
                self._fail(running.id, error)

    def _drop(self, job_id: str) -> None:
        del self._running[job_id]
        self._turn.remove(job_id)

    def _fail(self, job_id: str, error: Exception) -> None:
        log.error("job_failed", job=job_id, exc_info=error)
        with self._database.transaction() as session:
            jobs.end(session, job_id, "failed", f"{type(error).__name__}: {error}")


class _RunningJob:
    """A job's life with its work: what waits for a worker, and what is with one."""

    def __init__(self, database: Database, job: Job, settings: Settings) -> None:
        ready = make_ready(job, settings)
        self.id = job.id
        self._timeout = ready.spec.timeout_seconds
        self._context = ready.context
        built_dir = settings.built_dir / job.id
        self._life = Life(database, job.id, ready.spec, ready.shapes, built_dir)
        self._steps: Iterator[Step] = self._life.steps()
        self._waiting: deque[Task] = deque()
        self._flying: dict[str, Task] = {}
        self.done = False

    @property
    def flying(self) -> set[str]:
        """The ids of work that is with a worker."""
        return set(self._flying)

    def next_work(self) -> Work | None:
        """The next piece of work; None while the step's last are on their way, or at the end."""
        if not self._waiting and not self._flying:
            self._waiting.extend(next(self._steps, []))
            self.done = not self._waiting
        if not self._waiting:
            return None
        need = self._waiting.popleft()
        work = self._work_of(need)
        self._flying[work.id] = need
        return work

    def _work_of(self, need: Task) -> Work:
        recipe = need.recipe.model_dump_json(exclude_none=True)
        context = with_built(self._context, self._life.built)
        if isinstance(need, Preparation):
            work_id = f"{self.id}:prepare:{need.recipe.merge_method}:{need.model}"
            timeout = max(self._timeout, _PREPARE_SECONDS)
            return Prepare(work_id, context, recipe, need.model, timeout)
        if isinstance(need, Build):
            work_id = f"{self.id}:build:{need.alias}"
            return write_step(work_id, context, need.recipe, need.folder, need.steps)
        work_id = f"{self.id}:{need.subject}:{need.split}"
        places = None
        if need.block is not None:
            work_id += f":{need.block.number}"
            places = need.block.places
        return Evaluate(work_id, context, recipe, need.split, self._timeout, places)

    def record(self, result: Result) -> None:
        """Record one result of this job's."""
        following = self._life.record(self._flying.pop(result.id), result)
        # In front: the worker that has just become free still holds this child.
        self._waiting.extendleft(reversed(following))
