"""`/v1/quotas`: what the caller may have and has; for administrators, what any owner may."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.accounts.authorisation import AccountDependency
from service.accounts.schemas import OwnerName
from service.dependencies import DatabaseDependency, SettingsDependency
from service.quotas import repository as quotas
from service.quotas.repository import Quotas
from service.quotas.schemas import QuotasRequest, QuotasView, QuotaView
from service.settings import Settings

router = APIRouter(prefix="/v1/quotas", tags=["accounts"])


@router.get("")
def get_quotas(
    database: DatabaseDependency, settings: SettingsDependency, account: AccountDependency
) -> QuotasView:
    """What the caller may have, and has."""
    with database.snapshot() as session:
        return _view(session, account.owner, settings)


@router.get("/{owner}")
def get_quotas_of(
    owner: OwnerName, database: DatabaseDependency, settings: SettingsDependency
) -> QuotasView:
    """What an owner may have, and has."""
    with database.snapshot() as session:
        return _view(session, owner, settings)


@router.put("/{owner}")
def set_quotas_of(
    owner: OwnerName,
    body: QuotasRequest,
    database: DatabaseDependency,
    settings: SettingsDependency,
) -> QuotasView:
    """Say what one owner may have, in place of what was said before."""
    with database.transaction() as session:
        quotas.set_for(session, owner, Quotas(**body.model_dump()))
        session.flush()
        return _view(session, owner, settings)


@router.delete("/{owner}", status_code=204)
def delete_quotas_of(owner: OwnerName, database: DatabaseDependency) -> None:
    """Let an owner have what everybody may."""
    with database.transaction() as session:
        quotas.unset_for(session, owner)


def _view(session: Session, owner: str, settings: Settings) -> QuotasView:
    most, has = quotas.of(session, owner, settings), quotas.used(session, owner)
    views = {
        name: QuotaView(limit=getattr(most, name), used=getattr(has, name) or 0)
        for name in quotas.NAMES
    }
    return QuotasView(owner=owner, **views)
