"""`/v1/hub-credential`: the caller's own token for the hub, which is written and never read."""

from __future__ import annotations

from fastapi import APIRouter

from service.account_tables import HubCredential
from service.accounts.authorisation import AccountDependency
from service.credentials import repository as credentials
from service.credentials.schemas import HubCredentialRequest, HubCredentialView
from service.dependencies import DatabaseDependency, SettingsDependency
from service.sealing import seal_of

router = APIRouter(prefix="/v1/hub-credential", tags=["accounts"])


@router.put("")
def set_hub_credential(
    body: HubCredentialRequest,
    database: DatabaseDependency,
    settings: SettingsDependency,
    account: AccountDependency,
) -> HubCredentialView:
    """Keep the caller's token for the hub; it is used for what the caller asks for, and shown to
    nobody."""
    seal = seal_of(settings)
    with database.transaction() as session:
        token = body.token.get_secret_value()
        return _view(credentials.keep(session, account.owner, token, seal))


@router.get("")
def get_hub_credential(
    database: DatabaseDependency, account: AccountDependency
) -> HubCredentialView:
    """Whether the caller has a token for the hub here."""
    with database.snapshot() as session:
        return _view(credentials.find(session, account.owner))


@router.delete("", status_code=204)
def delete_hub_credential(database: DatabaseDependency, account: AccountDependency) -> None:
    """Forget the caller's token for the hub."""
    with database.transaction() as session:
        credentials.forget(session, account.owner)


def _view(found: HubCredential | None) -> HubCredentialView:
    return HubCredentialView(
        present=found is not None, set_at=None if found is None else found.set_at
    )
