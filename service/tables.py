"""The database's tables: jobs, their trial log, what was evaluated, events, exports.

Those of owners are in `account_tables`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """A point in time, aware and in UTC on both sides, though SQLite keeps no time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class FreeText(TypeDecorator[str]):
    """Text of any origin, such as an error's: what a database cannot hold is replaced.

    PostgreSQL refuses the character NUL, and neither database takes half a surrogate pair.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


LOCAL_OWNER = "local"
"""Whose jobs are those of local mode."""


class Base(DeclarativeBase):
    """Declarative base; `migrations/` follows its metadata."""


class Job(Base):
    """A submitted search. `spec` is the validated SearchSpec as plain data. `version` counts the
    edits of its notes and tags. A job in state `deleted` is an empty row."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100), index=True, default=LOCAL_OWNER)
    name: Mapped[str] = mapped_column(String(100))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), index=True)
    phase: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(FreeText)
    model_digests: Mapped[dict[str, str]] = mapped_column(JSON)
    winner: Mapped[int | None] = mapped_column(Integer)
    notes: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(Integer, default=1)
    priority: Mapped[int] = mapped_column(Integer, default=10)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Trial(Base):
    """One candidate of the search, committed before it is dispatched.

    `n` and `tokens` count the items scored and the tokens generated for it on the search split. A
    trial in state `stopped` or `estimated` was not scored on all items: its `fitness` is an
    estimate. `estimate`, from `estimate_n` anchors, is what the sampler was told of a trial, and is
    kept when the trial is scored whole later. `same_as` is the earlier trial of the same digest
    that its scores are copied from. `objectives` has one number an objective, higher is better,
    where there are several; `constraints` by how much each is missed, at most 0 where it is met,
    and `shortfall` the sum of what is missed. In a steady stage `asked_after` is how many of its
    outcomes the sampler had been told before it was asked for the trial, and `told` how many before
    the trial's own.
    """

    __tablename__ = "trials"
    # A job's progress is told from these alone: a row is long, by its genome and recipe.
    __table_args__ = (
        Index("ix_trials_progress", "job_id", "stage", "state", "finished_at", "tokens"),
        Index("ix_trials_best", "job_id", "state", "shortfall", "fitness", "number"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    stage: Mapped[str] = mapped_column(String(100))
    generation: Mapped[int] = mapped_column(Integer)
    genome: Mapped[list[float]] = mapped_column(JSON)
    recipe: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16))
    fitness: Mapped[float | None] = mapped_column(Float)
    n: Mapped[int] = mapped_column(Integer, default=0)
    tokens: Mapped[int] = mapped_column(Integer, default=0)
    estimate: Mapped[float | None] = mapped_column(Float)
    estimate_n: Mapped[int | None] = mapped_column(Integer)
    same_as: Mapped[int | None] = mapped_column(Integer)
    objectives: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))
    constraints: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))
    shortfall: Mapped[float] = mapped_column(Float, default=0.0)
    reason: Mapped[str | None] = mapped_column(FreeText)
    asked_after: Mapped[int | None] = mapped_column(Integer)
    told: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)

    @property
    def censored(self) -> bool:
        """Whether it was stopped as too weak; its fitness is an estimate, from less than all."""
        return self.state == "stopped"


class Evaluation(Base):
    """One recipe evaluated on one split: a trial's or a baseline's, recorded once.

    `subject` is `trial/17`, `parent/maths`, `average/maths+ja` or `grid/0.2,0.4`.
    """

    __tablename__ = "evaluations"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    split: Mapped[str] = mapped_column(String(16), primary_key=True)
    reason: Mapped[str | None] = mapped_column(FreeText)
    worker: Mapped[str] = mapped_column(String(64))
    merge_seconds: Mapped[float] = mapped_column(Float)
    score_seconds: Mapped[float] = mapped_column(Float)
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    finished_at: Mapped[datetime] = mapped_column(UtcTime)


class Score(Base):
    """The item scores of one evaluation on one task; `items` is float32, little-endian.

    They are in the order of the task's items. A stopped trial has those that were scored.
    `failures` counts failed programs by how they failed, `agreed` the items with the same answer by
    a chain of thought and by a program.
    `items_digest` says which items they are; it is null where they were scored block by block.
    """

    __tablename__ = "scores"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    split: Mapped[str] = mapped_column(String(16), primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    n: Mapped[int] = mapped_column(Integer)
    mean: Mapped[float] = mapped_column(Float)
    items: Mapped[bytes] = mapped_column(LargeBinary)
    items_digest: Mapped[str | None] = mapped_column(String(64))
    truncated: Mapped[int] = mapped_column(Integer)
    no_answer: Mapped[int] = mapped_column(Integer)
    wrong_language: Mapped[int] = mapped_column(Integer)
    tokens: Mapped[int] = mapped_column(Integer)
    failures: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    agreed: Mapped[int | None] = mapped_column(Integer)


class Answers(Base):
    """What a subject wrote on the search split; `texts` is JSON, by the place of the item in its
    task, packed by zlib."""

    __tablename__ = "answers"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    texts: Mapped[bytes] = mapped_column(LargeBinary)


class Questions(Base):
    """What a task asks on the search split: questions and references in the order of its items, as
    JSON, packed by zlib."""

    __tablename__ = "questions"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    texts: Mapped[bytes] = mapped_column(LargeBinary)


class AnchorDesign(Base):
    """What a stage's candidates are scored on from a generation on: anchors and item model."""

    __tablename__ = "designs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(100), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Block(Base):
    """A trial's item scores on one block of the search split, committed once.

    `scores` holds, by task, the values in the order of the block and the counts of a score;
    `parameters` is the child's size.
    """

    __tablename__ = "blocks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    worker: Mapped[str] = mapped_column(String(64))
    merge_seconds: Mapped[float] = mapped_column(Float)
    score_seconds: Mapped[float] = mapped_column(Float)
    scores: Mapped[dict[str, Any]] = mapped_column(JSON)
    parameters: Mapped[int | None] = mapped_column(BigInteger)
    finished_at: Mapped[datetime] = mapped_column(UtcTime)


class Event(Base):
    """What happened, under one global cursor without gaps."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class StageGenes(Base):
    """The genes that a stage of a job searches over and the genomes, each with the label of what it
    stands for, that its first trials have; written down when it began."""

    __tablename__ = "stages"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(100), primary_key=True)
    genes: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    seeds: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class StageHistory(Base):
    """Trials that a stage knew of before its first, copied when its job was submitted."""

    __tablename__ = "histories"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(100), primary_key=True)
    trials: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class HoldoutUse(Base):
    """A look at a holdout: in round `round` of its job, which is how often it had been extended, a
    winner was scored on these items, which had been a holdout `earlier` times before."""

    __tablename__ = "holdout_uses"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    round: Mapped[int] = mapped_column(Integer, primary_key=True)
    items_digest: Mapped[str] = mapped_column(String(64), index=True)
    winner: Mapped[int] = mapped_column(Integer)
    earlier: Mapped[int] = mapped_column(Integer)
    used_at: Mapped[datetime] = mapped_column(UtcTime)


class Extension(Base):
    """More budget given to a finished job's last stage, once it had so many trials."""

    __tablename__ = "extensions"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    stage: Mapped[str] = mapped_column(String(100))
    trials: Mapped[int] = mapped_column(Integer)
    added: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class EventCursor(Base):
    """The one row that holds the cursor of the latest event.

    A database's own sequence leaves a gap where a transaction is rolled back.
    """

    __tablename__ = "event_cursor"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)


class Export(Base):
    """A checkpoint written, or to be written, to a folder of the service's.

    `owner` has asked for it. With a `repository` on the hub it is uploaded from there, unless it is
    a dry run: `uploaded` of `size` bytes so far, `commit` where it is. With `gguf` the folder holds
    a GGUF file too. `parents` says which repositories the job's models are, by alias, and
    `warnings` what the publisher should mind.
    """

    __tablename__ = "exports"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    owner: Mapped[str] = mapped_column(String(100), index=True, default=LOCAL_OWNER)
    trial: Mapped[int] = mapped_column(Integer)
    folder: Mapped[str] = mapped_column(Text)
    repository: Mapped[str | None] = mapped_column(String(200))
    public: Mapped[bool] = mapped_column(Boolean, default=False)
    dry_run: Mapped[bool] = mapped_column(Boolean, default=False)
    gguf: Mapped[bool] = mapped_column(Boolean, default=False)
    parents: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    uploaded: Mapped[int] = mapped_column(BigInteger, default=0)
    size: Mapped[int | None] = mapped_column(BigInteger)
    commit: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(FreeText)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)

    @property
    def uploads(self) -> bool:
        """Whether it goes to the hub once its folder is written."""
        return self.repository is not None and not self.dry_run


class LeaseRow(Base):
    """Which process may write about a job or an export, whose id is `subject`.

    `expires` is in seconds since 1970 by the database's clock; 0 where it was given back. `term`
    grows whenever the lease changes hands.
    """

    __tablename__ = "leases"

    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32), index=True)
    term: Mapped[int] = mapped_column(Integer)
    expires: Mapped[float] = mapped_column(Float)


class ServiceRow(Base):
    """A process that moves jobs on, until `expires` unless it reports again; `doing` is what each
    of its workers does."""

    __tablename__ = "services"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    workers: Mapped[int] = mapped_column(Integer)
    doing: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    expires: Mapped[float] = mapped_column(Float)


class JobTag(Base):
    """A word that an owner sorts jobs by."""

    __tablename__ = "job_tags"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(50), primary_key=True, index=True)


class Submission(Base):
    """The job that an owner's Idempotency-Key stands for, and the SHA-256 of its body."""

    __tablename__ = "submissions"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
