"""`/v1/health`, `/v1/ready` and `/v1/metrics`: whether the service does its work, and how much."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.controller.loop import Controller
from service.dependencies import DatabaseDependency, SettingsDependency
from service.events import repository as events
from service.tables import Export, Job, Trial

router = APIRouter(prefix="/v1", tags=["health"])


class Health(BaseModel):
    """Whether the service does its work."""

    status: str
    version: str
    workers: int


class Readiness(BaseModel):
    """Whether the service can answer requests now."""

    database: bool


@router.get("/health", responses={503: {"model": Health}})
def get_health(request: Request, response: Response, settings: SettingsDependency) -> Health:
    """`ok`, or `failed` with status 503 when the controller has died or lost its database."""
    controller: Controller | None = request.app.state.controller
    alive = controller is None or controller.works
    response.status_code = 200 if alive else 503
    return Health(
        status="ok" if alive else "failed", version=request.app.version, workers=settings.workers
    )


@router.get("/ready", responses={503: {"model": Readiness}})
def get_readiness(response: Response, database: DatabaseDependency) -> Readiness:
    """Whether the database answers; status 503 where it does not."""
    try:
        with database.snapshot() as session:
            session.execute(select(1))
    except OperationalError:
        response.status_code = 503
        return Readiness(database=False)
    return Readiness(database=True)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(database: DatabaseDependency) -> Response:
    """Jobs, trials and exports by state, and the cursor of events, in Prometheus's text format."""
    registry = CollectorRegistry()
    with database.snapshot() as session:
        _count(session, registry, "cuvee_jobs", Job.state)
        _count(session, registry, "cuvee_trials", Trial.state)
        _count(session, registry, "cuvee_exports", Export.state)
        cursor = Gauge("cuvee_event_cursor", "Cursor of the latest event", registry=registry)
        cursor.set(events.newest(session))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _count(
    session: Session, registry: CollectorRegistry, name: str, state: InstrumentedAttribute[str]
) -> None:
    gauge = Gauge(name, "How many there are in each state", ["state"], registry=registry)
    for value, count in session.execute(select(state, func.count()).group_by(state)):
        gauge.labels(value).set(count)
