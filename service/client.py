"""A thin client of the HTTP API; everything the command line does goes through it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from service.accounts.schemas import NewToken, TokenRequest, TokenView
from service.credentials.schemas import HubCredentialView
from service.evaluations.schemas import EvaluationView
from service.exports.schemas import ExportView
from service.health.schemas import WorkerView
from service.jobs.repository import PRIORITY
from service.jobs.schemas import Estimate, JobDetail, JobView
from service.quotas.schemas import QuotasRequest, QuotasView
from service.results.schemas import ResultView
from service.trials.schemas import BestView, TrialView
from service.webhooks.schemas import NewWebhook, WebhookRequest, WebhookView

_PATIENCE_SECONDS = 30.0


class ApiError(Exception):
    """The service refused; `lines` say why, one field a line where fields are at fault."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Client:
    """One service, by its address, as the owner of a token.

    Without `token` it takes the environment's CUVEE_TOKEN; a service in local mode needs none.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = address.rstrip("/")
        token = token or os.environ.get("CUVEE_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.address, headers=headers, timeout=60.0, trust_env=False
        )

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
        """Submit a spec, YAML or JSON, a file's or the text itself: once, even where an answer is
        lost on its way."""
        body = spec.encode() if isinstance(spec, str) else spec.read_bytes()
        answer = self._call(
            "POST",
            "/v1/jobs",
            content=body,
            params={"priority": priority},
            headers={"content-type": "application/yaml", "idempotency-key": uuid.uuid4().hex},
        )
        return JobDetail.model_validate(answer.json())

    def validate(self, spec: Path) -> Estimate:
        """Check the spec in a file, and say what its search would cost; nothing is started."""
        headers = {"content-type": "application/yaml"}
        answer = self._call("POST", "/v1/jobs/validate", content=spec.read_bytes(), headers=headers)
        return Estimate.model_validate(answer.json())

    def jobs(self, **filters: str | int) -> Iterator[JobView]:
        """Jobs by `state`, `tag` and `name`, sorted by `sort`, newest first; page after page."""
        path: str | None = f"/v1/jobs?{urlencode(filters)}"
        while path is not None:
            answer = self._call("GET", path)
            yield from map(JobView.model_validate, answer.json())
            path = answer.links.get("next", {}).get("url")

    def job(self, job_id: str) -> JobDetail:
        """One job."""
        return JobDetail.model_validate(self._call("GET", f"/v1/jobs/{job_id}").json())

    def pause(self, job_id: str, *, now: bool = False) -> JobDetail:
        """Let a job rest; with `now`, what is being evaluated is given up and begun anew later."""
        answer = self._call("POST", f"/v1/jobs/{job_id}/pause", params={"now": now})
        return JobDetail.model_validate(answer.json())

    def resume(self, job_id: str) -> JobDetail:
        """Let a paused job go on."""
        return JobDetail.model_validate(self._call("POST", f"/v1/jobs/{job_id}/resume").json())

    def clone(self, job_id: str, changes: Mapping[str, Any]) -> JobDetail:
        """Submit a job's spec again, with other values by path, such as `seed`."""
        answer = self._call("POST", f"/v1/jobs/{job_id}/clone", json={"changes": dict(changes)})
        return JobDetail.model_validate(answer.json())

    def edit(self, job: JobView, **changes: Any) -> JobDetail:
        """Set a job's `notes` or `tags`. Raises ApiError if it was edited since `job` was read."""
        body = {"version": job.version, **changes}
        return JobDetail.model_validate(self._call("PATCH", f"/v1/jobs/{job.id}", json=body).json())

    def delete(self, job_id: str) -> None:
        """Delete an ended job and all that it scored."""
        self._call("DELETE", f"/v1/jobs/{job_id}")

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

    def create_token(self, asked: TokenRequest) -> NewToken:
        """A new token with its secret, which is told this once."""
        answer = self._call("POST", "/v1/tokens", json=asked.model_dump(mode="json"))
        return NewToken.model_validate(answer.json())

    def tokens(self) -> list[TokenView]:
        """Every token, newest first."""
        return [TokenView.model_validate(one) for one in self._call("GET", "/v1/tokens").json()]

    def revoke_token(self, token_id: str) -> TokenView:
        """End a token for good."""
        return TokenView.model_validate(self._call("DELETE", f"/v1/tokens/{token_id}").json())

    def create_webhook(self, asked: WebhookRequest) -> NewWebhook:
        """Have events sent to an address; gives the secret of their signatures, this once."""
        answer = self._call("POST", "/v1/webhooks", json=asked.model_dump(mode="json"))
        return NewWebhook.model_validate(answer.json())

    def webhooks(self) -> list[WebhookView]:
        """Every webhook with what came of its last delivery, newest first."""
        return [WebhookView.model_validate(one) for one in self._call("GET", "/v1/webhooks").json()]

    def retry_webhook(self, webhook_id: str) -> WebhookView:
        """Send what failed again at once."""
        answer = self._call("POST", f"/v1/webhooks/{webhook_id}/retry")
        return WebhookView.model_validate(answer.json())

    def delete_webhook(self, webhook_id: str) -> None:
        """Have nothing more sent there."""
        self._call("DELETE", f"/v1/webhooks/{webhook_id}")

    def set_hub_credential(self, token: SecretStr) -> HubCredentialView:
        """Have the service keep the caller's token for the hub, to use for the caller alone."""
        body = {"token": token.get_secret_value()}
        answer = self._call("PUT", "/v1/hub-credential", json=body)
        return HubCredentialView.model_validate(answer.json())

    def hub_credential(self) -> HubCredentialView:
        """Whether the service has the caller's token for the hub."""
        return HubCredentialView.model_validate(self._call("GET", "/v1/hub-credential").json())

    def delete_hub_credential(self) -> None:
        """Have the service forget the caller's token for the hub."""
        self._call("DELETE", "/v1/hub-credential")

    def quotas(self, owner: str | None = None) -> QuotasView:
        """How much the caller, or for an administrator any owner, may have and has."""
        path = "/v1/quotas" if owner is None else f"/v1/quotas/{owner}"
        return QuotasView.model_validate(self._call("GET", path).json())

    def set_quotas(self, owner: str, asked: QuotasRequest) -> QuotasView:
        """Say what one owner may have."""
        answer = self._call("PUT", f"/v1/quotas/{owner}", json=asked.model_dump())
        return QuotasView.model_validate(answer.json())

    def workers(self) -> list[WorkerView]:
        """Every worker, and what it does."""
        return [WorkerView.model_validate(one) for one in self._call("GET", "/v1/workers").json()]

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, sent again where that does no harm: a reading one outlasts a restart of the
        service or its database, one with a key a lost answer, any one the limit on requests."""
        repeatable = method == "GET" or "idempotency-key" in options.get("headers", {})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            wait = 0.5
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                nobody = isinstance(error, httpx.ConnectError) and method != "GET"
                if nobody or not repeatable or time.monotonic() >= deadline:
                    message = f"no service answers at {self.address}: {error}"
                    raise ApiError([message]) from error
            else:
                # A quota that is reached is a 429 that waiting does not mend.
                limited = "Retry-After" in answer.headers
                lost = repeatable and answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
                if not (limited or lost) or time.monotonic() >= deadline:
                    break
                wait = float(answer.headers.get("Retry-After", wait))
            time.sleep(wait)
        if answer.is_error:
            raise ApiError(_reasons(answer))
        return answer


def _reasons(answer: httpx.Response) -> list[str]:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        problem = answer.json()
        fields = [f"{entry['field']}: {entry['message']}" for entry in problem["errors"]]
        return fields or [problem["detail"]]
    return [f"the service answered {answer.status_code}: {answer.text[:200]}"]
