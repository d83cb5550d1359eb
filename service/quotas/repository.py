"""How much an owner may have at once or in a day, and how much that is now.

The settings say it for everybody, and an administrator for one owner. What nobody limits is not
counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.account_tables import OwnerQuotas
from service.errors import QuotaReached
from service.exports.schemas import files_of
from service.jobs.repository import AT_WORK
from service.settings import Settings
from service.tables import Export, Job, Trial, now

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Quotas:
    """The most that an owner may have; None is no limit. Disk space is in bytes."""

    running_jobs: int | None = None
    queued_jobs: int | None = None
    trials_per_day: int | None = None
    export_bytes: int | None = None


NAMES = tuple(field.name for field in fields(Quotas))


def of_everybody(settings: Settings) -> Quotas:
    """What an owner may have for whom nothing else is said."""
    gigabytes = settings.quota_export_gigabytes
    return Quotas(
        settings.quota_running_jobs,
        settings.quota_queued_jobs,
        settings.quota_trials_per_day,
        None if gigabytes is None else int(gigabytes * 1e9),
    )


def of(session: Session, owner: str, settings: Settings) -> Quotas:
    """What an owner may have."""
    return _with(of_everybody(settings), session.get(OwnerQuotas, owner))


def of_all(session: Session, owners: Sequence[str], settings: Settings) -> Mapping[str, Quotas]:
    """What each of these owners may have."""
    rows = session.scalars(select(OwnerQuotas).where(OwnerQuotas.owner.in_(owners)))
    own = {row.owner: row for row in rows}
    general = of_everybody(settings)
    return {owner: _with(general, own.get(owner)) for owner in owners}


def set_for(session: Session, owner: str, quotas: Quotas) -> None:
    """Say what one owner may have; what is None is as for everybody."""
    session.merge(OwnerQuotas(owner=owner, **vars(quotas)))


def unset_for(session: Session, owner: str) -> None:
    """Let an owner have what everybody may."""
    if row := session.get(OwnerQuotas, owner):
        session.delete(row)


def used(session: Session, owner: str) -> Quotas:
    """How much an owner has now, by the names of the quotas."""
    return Quotas(
        running_jobs=_jobs(session, owner, AT_WORK),
        queued_jobs=_jobs(session, owner, ("queued",)),
        trials_per_day=trials_of_a_day(session, owner),
        export_bytes=_exported(session, owner),
    )


def trials_of_a_day(session: Session, owner: str) -> int:
    """How many trials an owner's jobs have begun in the last 24 hours."""
    mine = select(Job.id).where(Job.owner == owner)
    query = select(func.count()).select_from(Trial)
    query = query.where(Trial.job_id.in_(mine), Trial.created_at > now() - DAY)
    return session.scalars(query).one()


def may_run(session: Session, job: Job, settings: Settings) -> bool:
    """Whether a job may be taken up: one that was already, or the owner has a place free."""
    limit = of(session, job.owner, settings).running_jobs
    if limit is None or session.get_one(Job, job.id).state in AT_WORK:
        return True
    return _jobs(session, job.owner, AT_WORK) < limit


def check_queue(session: Session, owner: str, settings: Settings) -> None:
    """Raise QuotaReached if the owner may have no other job waiting, or begin no trial today."""
    quotas = of(session, owner, settings)
    if quotas.queued_jobs is not None:
        hint = "wait until a queued job has begun, or cancel one"
        _check("queued_jobs", quotas.queued_jobs, _jobs(session, owner, ("queued",)), hint)
    if quotas.trials_per_day is not None:
        hint = "it is counted over the last 24 hours"
        _check("trials_per_day", quotas.trials_per_day, trials_of_a_day(session, owner), hint)


def check_exports(session: Session, owner: str, settings: Settings) -> None:
    """Raise QuotaReached if the owner's exports fill their disk space."""
    limit = of(session, owner, settings).export_bytes
    if limit is not None:
        hint = "delete an export that you no longer need"
        _check("export_bytes", limit, _exported(session, owner), hint)


def _with(general: Quotas, row: OwnerQuotas | None) -> Quotas:
    if row is None:
        return general
    own = {name: getattr(row, name) for name in NAMES}
    return replace(general, **{name: most for name, most in own.items() if most is not None})


def _check(quota: str, limit: int, have: int, hint: str) -> None:
    if have >= limit:
        raise QuotaReached(quota, limit, hint)


def _jobs(session: Session, owner: str, states: Sequence[str]) -> int:
    query = select(func.count()).select_from(Job)
    return session.scalars(query.where(Job.owner == owner, Job.state.in_(states))).one()


def _exported(session: Session, owner: str) -> int:
    folders = session.scalars(select(Export.folder).where(Export.owner == owner))
    return sum(file.size for folder in folders for file in files_of(Path(folder)))
