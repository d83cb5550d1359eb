"""What came of a request that is in the audit log: its status is added once it is known."""

from __future__ import annotations

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.audit import repository as audit
from service.database import Database, DatabaseLost

log = structlog.get_logger(__name__)


class AuditTrail:
    """Adds the status of the answer to the request's entry, before the answer leaves."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            number = scope.get("state", {}).get("audit_entry")
            if message["type"] == "http.response.start" and number is not None:
                await run_in_threadpool(self._answered, number, message["status"])
            await send(message)

        await self._app(scope, receive, sending)

    def _answered(self, number: int, status: int) -> None:
        """What was done stays done, and is answered, where the log can't be written any more."""
        try:
            with self._database.transaction() as session:
                audit.answered(session, number, status)
        except DatabaseLost as error:
            log.warning("audit_status_lost", entry=number, status=status, reason=str(error))
