"""The dashboard: pages that hold a cursor and no data, and the files that make them live.

A page's script reads the JSON API first and then follows the events after the page's cursor. The
cursor is read before the page leaves, so nothing can happen unseen between the two.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service.dashboard import assets, drafts, panels
from service.dashboard.pages import render
from service.dependencies import DatabaseDependency
from service.errors import NotFound
from service.events import repository as events
from service.jobs import repository as jobs

router = APIRouter(include_in_schema=False)
router.include_router(panels.router)
router.include_router(drafts.router)


@router.get("/")
def show_jobs(request: Request, database: DatabaseDependency) -> Response:
    """The job list."""
    with database.snapshot() as session:
        cursor = events.newest(session)
    return render(request, "jobs.html", {"cursor": cursor})


@router.get("/jobs")
def show_jobs_elsewhere() -> Response:
    """Where somebody arrives who cuts a job's address short."""
    return RedirectResponse("./", status_code=308)


@router.get("/new")
def show_form(request: Request) -> Response:
    """The form for a new job."""
    return render(request, "new.html", {})


@router.get("/compare")
def show_comparison(request: Request, database: DatabaseDependency) -> Response:
    """Several jobs side by side; the address says which."""
    with database.snapshot() as session:
        cursor = events.newest(session)
    return render(request, "compare.html", {"cursor": cursor, "plotly_url": assets.PLOTLY_URL})


@router.get("/jobs/{job_id}")
def show_job(job_id: str, request: Request, database: DatabaseDependency) -> Response:
    """One job, or a page that says that there is none."""
    with database.snapshot() as session:
        cursor = events.newest(session)
        try:
            job = jobs.get(session, job_id)
        except NotFound:
            return render(request, "unknown_job.html", {"job_id": job_id}, status=404)
    values: dict[str, Any] = {"cursor": cursor, "job": job, "plotly_url": assets.PLOTLY_URL}
    return render(request, "job.html", values)


@router.get("/login")
def show_sign_in(request: Request) -> Response:
    """Where a token begins a session."""
    return render(request, "login.html", {})


@router.get("/static/plotly.min.js")
async def get_plotly(request: Request) -> Response:
    """Plotly's own script, from its wheel."""
    return await assets.plotly(request)


@router.get("/static/{name}")
async def get_static(name: str, request: Request) -> Response:
    """A script, the style sheet or the icon."""
    return await assets.own(name, request)
