"""Leases: which process may write about a job or an export, by the database's clock.

A lease has a term, which grows whenever the lease changes hands and never falls. A process that
was stopped for longer than its lease still believes that it holds it; its term is what gives it
away. Whoever writes under a lease checks it in the same transaction, before anything else. Writing
transactions follow one another, so nobody can take the lease between the check and the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from service.database import database_time
from service.tables import LeaseRow, ServiceRow
from workers.interface import Occupation


class LeaseLost(Exception):
    """Another process has taken the job or the export over: nothing more may be written here."""


@dataclass(frozen=True)
class Lease:
    """The right of one process to write about one job or export, which `subject` is the id of."""

    subject: str
    holder: str
    term: int


@dataclass(frozen=True)
class Held:
    """Who holds something, and whether the lease is live: one that is not may be taken."""

    holder: str
    live: bool


def take(session: Session, subject: str, holder: str, seconds: float) -> Lease | None:
    """Take the lease for so many seconds, under a new term; None while another holds it."""
    time = session.scalars(select(database_time())).one()
    row = session.get(LeaseRow, subject)
    if row is None:
        row = LeaseRow(subject=subject, holder=holder, term=0, expires=0.0)
        session.add(row)
    elif row.holder != holder and row.expires > time:
        return None
    row.holder = holder
    row.term += 1
    row.expires = time + seconds
    return Lease(subject, holder, row.term)


def check(session: Session, lease: Lease) -> None:
    """Raise LeaseLost unless the lease is still of this holder and term."""
    row = session.get(LeaseRow, lease.subject)
    if row is None or (row.holder, row.term) != (lease.holder, lease.term):
        raise LeaseLost(f"{lease.subject} has been taken over")


def renew(session: Session, holder: str, seconds: float) -> None:
    """Let all leases of this holder last so many seconds from now; those it lost are another's."""
    until = database_time() + seconds
    session.execute(
        update(LeaseRow)
        .where(LeaseRow.holder == holder, LeaseRow.expires > 0)
        .values(expires=until)
        .execution_options(synchronize_session=False)
    )


def release(session: Session, lease: Lease) -> None:
    """Let others take it at once. Raises LeaseLost."""
    check(session, lease)
    session.get_one(LeaseRow, lease.subject).expires = 0.0


def held(session: Session) -> Mapping[str, Held]:
    """Who holds what that was not given back, by the id of the job or export."""
    columns = (LeaseRow.subject, LeaseRow.holder, LeaseRow.expires > database_time())
    query = select(*columns).where(LeaseRow.expires > 0)
    return {subject: Held(holder, live) for subject, holder, live in session.execute(query)}


def report(
    session: Session,
    holder: str,
    workers: int,
    seconds: float,
    doing: Sequence[Occupation] = (),
) -> None:
    """Say that this process is there, with so many workers, which do this, for so many seconds from
    now."""
    row = session.get(ServiceRow, holder) or ServiceRow(id=holder)
    row.workers = workers
    row.doing = [asdict(occupation) for occupation in doing]
    row.expires = session.scalars(select(database_time())).one() + seconds
    session.add(row)
    session.execute(delete(ServiceRow).where(ServiceRow.expires < database_time()))


def leave(session: Session, holder: str) -> None:
    """Say that this process is no longer there."""
    session.execute(delete(ServiceRow).where(ServiceRow.id == holder))


def doing(session: Session) -> Mapping[str, Sequence[Occupation]]:
    """What the workers of each process that is there do."""
    query = select(ServiceRow).where(ServiceRow.expires > database_time()).order_by(ServiceRow.id)
    return {
        row.id: [Occupation(**occupation) for occupation in row.doing]
        for row in session.scalars(query)
    }


def all_workers(session: Session) -> int:
    """How many workers the processes that are there have together."""
    query = select(func.sum(ServiceRow.workers)).where(ServiceRow.expires > database_time())
    return session.scalars(query).one() or 0
