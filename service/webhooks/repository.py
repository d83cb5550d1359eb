"""Webhooks in the database: how far each has got in the log of events, and what came of it last."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from service.account_tables import Webhook
from service.errors import NotFound, QuotaReached
from service.events import repository as events
from service.tables import Event, LeaseRow, now
from service.webhooks.posting import Answer

MOST = 20
"""Webhooks that one owner may have."""
ATTEMPTS = 80
"""Failures in a row after which a webhook stops: with the pauses between them, about three days."""
FIRST_PAUSE = timedelta(seconds=1)
_LONGEST = timedelta(hours=1)


def create(
    session: Session,
    owner: str,
    url: str,
    *,
    seal: str,
    webhook_id: str,
    kinds: Sequence[str] = (),
    job_id: str | None = None,
) -> Webhook:
    """A new webhook, for events from now on; `seal` is its sealed secret. Raises QuotaReached."""
    mine = select(func.count()).where(Webhook.owner == owner)
    if session.scalars(mine).one() >= MOST:
        raise QuotaReached("webhooks", MOST, "delete one")
    webhook = Webhook(
        id=webhook_id,
        owner=owner,
        job_id=job_id,
        url=url,
        kinds=sorted(set(kinds)),
        secret=seal,
        state="active",
        cursor=events.newest(session),
        delivered=0,
        failures=0,
        created_at=now(),
    )
    session.add(webhook)
    session.flush()
    return webhook


def new_id() -> str:
    """An id for a webhook."""
    return uuid.uuid4().hex


def secret_of(webhook_id: str) -> str:
    """What the sealed secret of a webhook is the secret of."""
    return f"secret of webhook {webhook_id}"


def get(session: Session, webhook_id: str, owner: str | None) -> Webhook:
    """A webhook of an owner's, or of anybody's. Raises NotFound."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or owner not in {None, webhook.owner}:
        raise NotFound(f"there is no webhook {webhook_id!r}")
    return webhook


def all_of(session: Session, owner: str | None) -> Sequence[Webhook]:
    """An owner's webhooks, or everybody's, newest first."""
    query = select(Webhook).order_by(Webhook.created_at.desc(), Webhook.id)
    if owner is not None:
        query = query.where(Webhook.owner == owner)
    return session.scalars(query).all()


def remove(session: Session, webhook: Webhook) -> None:
    """Delete a webhook; what is on its way is not called back."""
    session.execute(delete(LeaseRow).where(LeaseRow.subject == webhook.id))
    session.delete(webhook)


def retry(webhook: Webhook) -> None:
    """Let the next attempt be made at once, also where it had stopped."""
    webhook.state, webhook.failures, webhook.next_at = "active", 0, None


def due(session: Session) -> list[str]:
    """The ids of webhooks that may have something to send now."""
    query = select(Webhook.id).where(
        Webhook.state == "active",
        Webhook.cursor < events.newest(session),
        or_(Webhook.next_at.is_(None), Webhook.next_at <= now()),
    )
    return list(session.scalars(query))


def next_event(session: Session, webhook: Webhook) -> Event | None:
    """The first event that the webhook wants and was not sent."""
    found = events.after(
        session, webhook.cursor, webhook.job_id, 1, owner=webhook.owner, kinds=webhook.kinds
    )
    return found[0] if found else None


def skip(session: Session, webhook_id: str, cursor: int) -> None:
    """Move the webhook past events that it does not want."""
    if webhook := session.get(Webhook, webhook_id):
        webhook.cursor = cursor


def record(session: Session, webhook_id: str, cursor: int, answer: Answer) -> None:
    """Write down what came of sending the event of this cursor; nothing if it was deleted since."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        return
    webhook.last_at, webhook.last_status = now(), answer.status
    webhook.last_reason = answer.reason
    if answer.taken:
        webhook.cursor, webhook.failures, webhook.next_at = cursor, 0, None
        webhook.delivered += 1
        return
    webhook.failures += 1
    webhook.next_at = now() + pause_after(webhook.failures)
    if webhook.failures >= ATTEMPTS:
        webhook.state = "stopped"


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: one second, doubled up to an hour."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), _LONGEST)
