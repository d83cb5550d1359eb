"""The database's tables of owners: what they call with, what they keep here, what they may have."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.tables import Base, FreeText, UtcTime


class Token(Base):
    """An API token of an owner, by the SHA-256 of its secret, which is not kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), index=True, unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SignIn(Base):
    """A session of the dashboard, by the SHA-256 of its cookie, and the token it began with."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[str] = mapped_column(ForeignKey("tokens.id"))
    expires_at: Mapped[datetime] = mapped_column(UtcTime)


class AuditEntry(Base):
    """A change that somebody asked for, written down before it was done."""

    __tablename__ = "audit"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcTime)
    owner: Mapped[str] = mapped_column(String(100))
    token_id: Mapped[str | None] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(200))
    target: Mapped[str] = mapped_column(String(500))
    status: Mapped[int | None] = mapped_column(Integer)


class Webhook(Base):
    """An address that an owner's events are sent to, of one job or of all, in order.

    All up to the event `cursor` were sent, or are of no kind that it wants. `secret` is sealed. The
    last `failures` attempts failed, and the next is made at `next_at`; the last of all was at
    `last_at` and came to `last_status`, or to `last_reason` where nobody answered.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100), index=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    kinds: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    cursor: Mapped[int] = mapped_column(Integer)
    delivered: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_reason: Mapped[str | None] = mapped_column(FreeText)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class HubCredential(Base):
    """An owner's token for the hub, sealed."""

    __tablename__ = "hub_credentials"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(UtcTime)


class OwnerQuotas(Base):
    """What one owner may have, where it is not what everybody may; null is as for everybody."""

    __tablename__ = "quotas"

    owner: Mapped[str] = mapped_column(String(100), primary_key=True)
    running_jobs: Mapped[int | None] = mapped_column(BigInteger)
    queued_jobs: Mapped[int | None] = mapped_column(BigInteger)
    trials_per_day: Mapped[int | None] = mapped_column(BigInteger)
    export_bytes: Mapped[int | None] = mapped_column(BigInteger)
