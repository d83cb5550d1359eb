"""A thin client of the HTTP API; everything the command line does goes through it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from service.evaluations.schemas import EvaluationView
from service.exports.schemas import ExportView
from service.jobs.repository import PRIORITY
from service.jobs.schemas import JobDetail, JobView
from service.results.schemas import ResultView
from service.trials.schemas import BestView, TrialView

_PATIENCE_SECONDS = 30.0


class ApiError(Exception):
    """The service refused; `lines` say why, one field a line where fields are at fault."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Client:
    """One service, by its address."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._http = httpx.Client(base_url=self.address, timeout=60.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def submit(self, spec: Path | str, priority: int = PRIORITY) -> JobDetail:
        """Submit a spec, YAML or JSON: a file's, or the text itself."""
        body = spec.encode() if isinstance(spec, str) else spec.read_bytes()
        answer = self._call(
            "POST",
            "/v1/jobs",
            content=body,
            params={"priority": priority},
            headers={"content-type": "application/yaml"},
        )
        return JobDetail.model_validate(answer.json())

    def jobs(self) -> list[JobView]:
        """The latest jobs, newest first."""
        return [JobView.model_validate(entry) for entry in self._call("GET", "/v1/jobs").json()]

    def job(self, job_id: str) -> JobDetail:
        """One job."""
        return JobDetail.model_validate(self._call("GET", f"/v1/jobs/{job_id}").json())

    def cancel(self, job_id: str) -> JobDetail:
        """Ask for a job to stop."""
        return JobDetail.model_validate(self._call("POST", f"/v1/jobs/{job_id}/cancel").json())

    def extend(self, job_id: str, **more: float) -> JobDetail:
        """Give a finished job's last stage more `trials`, `items`, `tokens` or `seconds`."""
        answer = self._call("POST", f"/v1/jobs/{job_id}/extend", json=more)
        return JobDetail.model_validate(answer.json())

    def result(self, job_id: str) -> ResultView:
        """The winner against everything it has to beat."""
        return ResultView.model_validate(self._call("GET", f"/v1/jobs/{job_id}/result").json())

    def set_priority(self, job_id: str, priority: int) -> JobDetail:
        """Give a job another share of the workers."""
        answer = self._call("PUT", f"/v1/jobs/{job_id}/priority", json={"priority": priority})
        return JobDetail.model_validate(answer.json())

    def evaluations(self, job_id: str, **filters: str) -> list[EvaluationView]:
        """What was evaluated for a job, by `split` and `kind`."""
        answer = self._call("GET", f"/v1/jobs/{job_id}/evaluations", params=filters)
        return [EvaluationView.model_validate(entry) for entry in answer.json()]

    def trials(self, job_id: str, *, after: int = -1, limit: int = 100) -> list[TrialView]:
        """Trials of a greater number than `after`, in order."""
        bounds = {"after": str(after), "limit": str(limit)}
        answer = self._call("GET", f"/v1/jobs/{job_id}/trials", params=bounds)
        return [TrialView.model_validate(entry) for entry in answer.json()]

    def recipe(self, job_id: str, trial: int) -> str:
        """A trial's recipe as YAML."""
        return self._call("GET", f"/v1/jobs/{job_id}/trials/{trial}/recipe.yaml").text

    def best(self, job_id: str) -> BestView:
        """The winner, or the best trial so far."""
        return BestView.model_validate(self._call("GET", f"/v1/jobs/{job_id}/best").json())

    def export(
        self,
        job_id: str,
        trial: int | None = None,
        *,
        watch: Callable[[ExportView], None] | None = None,
        **body: Any,
    ) -> ExportView:
        """Export a child, the best one by default, and wait until it is written and uploaded.

        `body` is what else an ExportRequest has; `watch` sees the export each time it is looked at.
        """
        answer = self._call("POST", f"/v1/jobs/{job_id}/exports", json={"trial": trial} | body)
        export = ExportView.model_validate(answer.json())
        while export.state in {"queued", "uploading"}:
            time.sleep(0.25)
            answer = self._call("GET", f"/v1/jobs/{job_id}/exports/{export.id}")
            export = ExportView.model_validate(answer.json())
            if watch is not None:
                watch(export)
        if export.state == "failed":
            raise ApiError([f"the export failed: {export.reason}"])
        return export

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request. A reading one outlasts a restart of the service or of its database."""
        deadline = time.monotonic() + (_PATIENCE_SECONDS if method == "GET" else 0.0)
        while True:
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if time.monotonic() >= deadline:
                    message = f"no service answers at {self.address}: {error}"
                    raise ApiError([message]) from error
            else:
                if answer.status_code != 503 or time.monotonic() >= deadline:
                    break
            time.sleep(0.5)
        if answer.is_error:
            raise ApiError(_reasons(answer))
        return answer


def _reasons(answer: httpx.Response) -> list[str]:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        problem = answer.json()
        fields = [f"{entry['field']}: {entry['message']}" for entry in problem["errors"]]
        return fields or [problem["detail"]]
    return [f"the service answered {answer.status_code}: {answer.text[:200]}"]
