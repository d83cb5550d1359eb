"""What this process holds, and the thread that keeps it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from service.database import Database
from service.leases import repository as leases
from service.leases.repository import Held, Lease
from workers.interface import Occupation

log = structlog.get_logger(__name__)

# So often a lease is renewed while it lasts: one renewal may fail, and the next, and the next.
_RENEWALS = 5


@dataclass(frozen=True)
class Holding:
    """A job or an export that this process holds; `database` writes only while it does."""

    lease: Lease
    database: Database


class Holdings:
    """The leases of one process, renewed by a thread of their own until `stop` is called.

    The controller's thread may take longer than a lease to hash a large model or to propose a
    generation, so it does not renew them itself. A process that is stopped or dead renews nothing.
    """

    def __init__(self, database: Database, workers: int, seconds: float) -> None:
        self.holder = uuid.uuid4().hex
        self._database = database
        self._workers = workers
        self._seconds = seconds
        # What the workers do, which the controller says and the reports carry.
        self.doing: Sequence[Occupation] = ()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)

    def start(self) -> None:
        """Report this process to the others, and keep what it takes from now on; once only."""
        if not self._thread.is_alive():
            self._report()
            self._thread.start()

    def stop(self) -> None:
        """Renew nothing more, and tell the others that this process is gone."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._database.transaction() as session:
            leases.leave(session, self.holder)

    def take(self, subject: str) -> Holding | None:
        """Hold the job or export; None while another process does."""
        with self._database.transaction() as session:
            lease = leases.take(session, subject, self.holder, self._seconds)
        if lease is None:
            return None
        return Holding(lease, self._database.guarded(partial(leases.check, lease=lease)))

    def release(self, holding: Holding) -> None:
        """Let other processes take it at once; nothing happens if one has."""
        try:
            with self._database.transaction() as session:
                leases.release(session, holding.lease)
        except leases.LeaseLost:
            log.info("lease_lost", subject=holding.lease.subject)

    def keeps(self, held: Mapping[str, Held], subject: str) -> bool:
        """Whether this process still has it, going by what is `held` now."""
        return subject in held and held[subject].holder == self.holder

    def may_take(self, held: Mapping[str, Held], subject: str) -> bool:
        """Whether nobody else has it, or one whose lease has run out."""
        return self.keeps(held, subject) or subject not in held or not held[subject].live

    def _renew(self) -> None:
        while not self._stopping.wait(self._seconds / _RENEWALS):
            try:
                self._report()
            except Exception:
                # The controller meets the same trouble, and says more about it.
                log.warning("leases_not_renewed", exc_info=True)

    def _report(self) -> None:
        with self._database.transaction() as session:
            leases.renew(session, self.holder, self._seconds)
            leases.report(session, self.holder, self._workers, self._seconds, self.doing)
