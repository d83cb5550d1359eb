"""`/v1/webhooks`: addresses that events are sent to, signed."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter

from search.errors import FieldError
from service.accounts.authorisation import AccountDependency, owned
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Invalid, NotFound, Problem
from service.sealing import seal_of
from service.settings import Settings
from service.webhooks import repository as webhooks
from service.webhooks.addresses import AddressRefused, reachable
from service.webhooks.schemas import NewWebhook, WebhookRequest, WebhookView
from service.webhooks.signing import new_secret

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post("", status_code=201)
def create_webhook(
    body: WebhookRequest,
    database: DatabaseDependency,
    settings: SettingsDependency,
    account: AccountDependency,
) -> NewWebhook:
    """Have events sent to an address from now on. The secret is in this answer and nowhere else."""
    seal = seal_of(settings)
    _check_url(body.url, settings)
    secret, webhook_id = new_secret(), webhooks.new_id()
    sealed = seal.close(secret, webhooks.secret_of(webhook_id))
    with database.transaction() as session:
        if body.job_id is not None:
            try:
                owned(session, account, body.job_id)
            except NotFound as error:
                raise Invalid([FieldError("body.job_id", str(error))]) from error
        webhook = webhooks.create(
            session,
            account.owner,
            body.url,
            seal=sealed,
            webhook_id=webhook_id,
            kinds=body.kinds,
            job_id=body.job_id,
        )
        return NewWebhook(**WebhookView.model_validate(webhook).model_dump(), secret=secret)


@router.get("")
def list_webhooks(database: DatabaseDependency, account: AccountDependency) -> list[WebhookView]:
    """The caller's webhooks, newest first; an administrator sees everybody's."""
    with database.snapshot() as session:
        found = webhooks.all_of(session, account.only)
        return [WebhookView.model_validate(webhook) for webhook in found]


@router.get("/{webhook_id}", responses={404: {"model": Problem}})
def get_webhook(
    webhook_id: str, database: DatabaseDependency, account: AccountDependency
) -> WebhookView:
    """One webhook, with what came of its last delivery."""
    with database.snapshot() as session:
        return WebhookView.model_validate(webhooks.get(session, webhook_id, account.only))


@router.post("/{webhook_id}/retry", responses={404: {"model": Problem}})
def retry_webhook(
    webhook_id: str, database: DatabaseDependency, account: AccountDependency
) -> WebhookView:
    """Try at once what failed, and go on where a webhook has stopped: it has missed nothing."""
    with database.transaction() as session:
        webhook = webhooks.get(session, webhook_id, account.only)
        webhooks.retry(webhook)
        return WebhookView.model_validate(webhook)


@router.delete("/{webhook_id}", status_code=204, responses={404: {"model": Problem}})
def delete_webhook(
    webhook_id: str, database: DatabaseDependency, account: AccountDependency
) -> None:
    """Send nothing more there."""
    with database.transaction() as session:
        webhooks.remove(session, webhooks.get(session, webhook_id, account.only))


def _check_url(url: str, settings: Settings) -> None:
    """Whether the address may be sent to as things are now; it is asked again for each delivery."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        reachable(str(parts.hostname), port, settings.webhook_networks)
    except AddressRefused as error:
        raise Invalid([FieldError("body.url", str(error))]) from error
