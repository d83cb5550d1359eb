"""The HTTP application: routes, guards and the controller's start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from service.accounts import endpoints as accounts
from service.accounts.authorisation import authorise
from service.audit import endpoints as audit
from service.audit.middleware import AuditTrail
from service.catalogue import endpoints as catalogue
from service.controller.loop import Controller
from service.credentials import endpoints as credentials
from service.dashboard import endpoints as dashboard
from service.database import Database
from service.errors import install_handlers
from service.evaluations import endpoints as evaluations
from service.events import endpoints as events
from service.events.tail import Tail
from service.exports import endpoints as exports
from service.exports import overview
from service.guard import LOOPBACK, Guard
from service.health import endpoints as health
from service.health import workers
from service.holdouts import endpoints as holdouts
from service.jobs import control
from service.jobs import endpoints as jobs
from service.openapi import Application
from service.quotas import endpoints as quotas
from service.rates import RateLimit
from service.results import endpoints as results
from service.settings import Settings
from service.stages import endpoints as stages
from service.trials import endpoints as trials
from service.webhooks import endpoints as webhooks
from workers.interface import MakeWorkers


def create_app(settings: Settings, make_workers: MakeWorkers | None = None) -> FastAPI:
    """The service on one database: its schema is brought up to date, its controller started.

    Without workers there is no controller: jobs are taken in and stay queued, until another service
    on the same database moves them on.
    """
    settings.exports_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    database.migrate()
    controller = Controller(database, settings, make_workers) if make_workers else None
    tail = Tail(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if controller is not None:
            controller.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tail.follow)
            yield
            tasks.cancel_scope.cancel()
        if controller is not None:
            controller.stop()
            await run_in_threadpool(controller.join)
        database.close()

    app = Application(
        title="Cuvee",
        description="Searches for model-merge recipes.",
        version=version("cuvee"),
        lifespan=lifespan,
        dependencies=[Depends(authorise)],
        # Its pages run a script from another site, which could act for whoever is signed in.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.controller = controller
    app.state.tail = tail
    app.state.rates = RateLimit(settings.request_rate, settings.request_burst)
    # What is added last sees a request first.
    app.add_middleware(AuditTrail, database=database)
    app.add_middleware(Guard, hosts=[*LOOPBACK, *map(str.lower, settings.allowed_hosts)])
    install_handlers(app)
    for router in (
        jobs,
        control,
        trials,
        evaluations,
        results,
        stages,
        holdouts,
        events,
        exports,
        overview,
        webhooks,
        accounts,
        credentials,
        quotas,
        audit,
        catalogue,
        health,
        workers,
        dashboard,
    ):
        app.include_router(router.router)

    return app
