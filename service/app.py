"""The HTTP application: routes, guards and the controller's start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from service.controller.loop import Controller
from service.dashboard import endpoints as dashboard
from service.database import Database
from service.errors import install_handlers
from service.evaluations import endpoints as evaluations
from service.events import endpoints as events
from service.exports import endpoints as exports
from service.guard import LoopbackGuard
from service.holdouts import endpoints as holdouts
from service.jobs import endpoints as jobs
from service.results import endpoints as results
from service.settings import Settings
from service.stages import endpoints as stages
from service.trials import endpoints as trials
from workers.interface import MakeWorkers


class Health(BaseModel):
    """Whether the service does its work."""

    status: str
    version: str
    workers: int


def create_app(settings: Settings, make_workers: MakeWorkers | None = None) -> FastAPI:
    """The service on one database: its schema is brought up to date, its controller started.

    Without workers there is no controller: jobs are taken in and stay queued, until another service
    on the same database moves them on.
    """
    settings.exports_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    database.migrate()
    controller = Controller(database, settings, make_workers) if make_workers else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if controller is not None:
            controller.start()
        yield
        if controller is not None:
            controller.stop()
            await run_in_threadpool(controller.join)
        database.close()

    app = FastAPI(
        title="Cuvee",
        description="Searches for model-merge recipes.",
        version=version("cuvee"),
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.database = database
    app.add_middleware(LoopbackGuard)
    install_handlers(app)
    for router in (
        jobs,
        trials,
        evaluations,
        results,
        stages,
        holdouts,
        events,
        exports,
        dashboard,
    ):
        app.include_router(router.router)

    @app.get("/v1/health", tags=["health"])
    def get_health(response: Response) -> Health:
        """`ok`, or `failed` with status 503 when the controller has died or lost its database."""
        alive = controller is None or controller.works
        response.status_code = 200 if alive else 503
        return Health(
            status="ok" if alive else "failed",
            version=app.version,
            workers=settings.workers,
        )

    return app
