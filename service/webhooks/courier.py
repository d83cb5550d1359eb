"""A thread that sends events to webhooks: each webhook's in order, all webhooks side by side."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import structlog

from service.account_tables import Webhook
from service.controller.holding import Holding, Holdings
from service.database import Database, DatabaseLost
from service.errors import ServiceError
from service.events import repository as events
from service.leases import repository as leases
from service.leases.repository import LeaseLost
from service.sealing import seal_of
from service.settings import Settings
from service.webhooks import repository as webhooks
from service.webhooks.posting import Answer, body_of, post

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.25
# Looking up a name may keep a thread waiting for as long as its servers like.
_THREADS = 32
# Events of no interest after which a webhook is moved past them, to be looked at no more.
_FAR = 500
_TROUBLE_SECONDS = 60.0


@dataclass(frozen=True)
class _Letter:
    """An event on its way to a webhook, as `delivery`."""

    webhook: Webhook
    cursor: int
    delivery: str
    body: bytes


class Courier(threading.Thread):
    """Sends what is due until `stop` is called.

    Of several processes on a database the one that holds a webhook's lease sends its events, and
    writes each down as delivered once its receiver has said so. One that dies in between leaves
    that event to be sent again, under the same id: each arrives at least once.
    """

    def __init__(self, database: Database, holdings: Holdings, settings: Settings) -> None:
        super().__init__(name="courier", daemon=True)
        self._database = database
        self._holdings = holdings
        self._settings = settings
        self._held: dict[str, Holding] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end; what is on its way is sent again by the next one."""
        self._stopping.set()

    def run(self) -> None:
        """Look for what is due, and send it."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "courier"))
        carrying: dict[str, asyncio.Task[None]] = {}
        while not self._stopping.is_set():
            for webhook_id in await asyncio.to_thread(self._due):
                if webhook_id not in carrying:
                    carrying[webhook_id] = asyncio.create_task(self._carry(webhook_id))
            await asyncio.sleep(_POLL_SECONDS)
            carrying = {name: task for name, task in carrying.items() if not task.done()}
        for task in carrying.values():
            task.cancel()
        await asyncio.gather(*carrying.values(), return_exceptions=True)
        for holding in self._held.values():
            with suppress(*DatabaseLost):
                self._holdings.release(holding)

    def _due(self) -> list[str]:
        try:
            with self._database.snapshot() as session:
                held = leases.held(session)
                due = webhooks.due(session)
        except Exception as error:
            # It goes on by itself, whatever it was: nobody else would notice a thread that ended.
            log.warning("webhooks_interrupted", reason=str(error))
            return []
        return [webhook_id for webhook_id in due if self._holdings.may_take(held, webhook_id)]

    async def _carry(self, webhook_id: str) -> None:
        """Send what the webhook has missed, until all is sent or something fails."""
        try:
            while letter := await asyncio.to_thread(self._next, webhook_id):
                answer = await self._send(letter)
                await asyncio.to_thread(self._record, letter, answer)
                if not answer.taken:
                    return
        except LeaseLost:
            self._held.pop(webhook_id, None)
        except DatabaseLost as error:
            log.warning("webhooks_interrupted", reason=str(error))
        except Exception:
            # One webhook's trouble is not another's; nor is it worth a line every moment.
            log.error("webhook_failed", webhook=webhook_id, exc_info=True)
            await asyncio.sleep(_TROUBLE_SECONDS)

    def _next(self, webhook_id: str) -> _Letter | None:
        """What to send next; None where there is nothing, or another process sends it."""
        if webhook_id not in self._held:
            holding = self._holdings.take(webhook_id)
            if holding is None:
                return None
            self._held[webhook_id] = holding
        with self._database.snapshot() as session:
            webhook = session.get(Webhook, webhook_id)
            if webhook is None or webhook.state != "active":
                return None
            event = webhooks.next_event(session, webhook)
            newest = events.newest(session)
        if event is not None:
            delivery = f"{event.id}-{webhook_id}"
            return _Letter(webhook, event.id, delivery, body_of(event))
        if newest - webhook.cursor > _FAR:
            with self._held[webhook_id].database.transaction() as session:
                webhooks.skip(session, webhook_id, newest)
        return None

    async def _send(self, letter: _Letter) -> Answer:
        webhook, networks = letter.webhook, self._settings.webhook_networks
        try:
            seal = await asyncio.to_thread(seal_of, self._settings)
            secret = seal.open(webhook.secret, webhooks.secret_of(webhook.id))
        except (ServiceError, OSError) as error:
            return Answer(None, str(error))
        return await post(webhook.url, secret, letter.delivery, letter.body, networks)

    def _record(self, letter: _Letter, answer: Answer) -> None:
        webhook_id = letter.webhook.id
        if not answer.taken:
            log.info(
                "webhook_not_taken",
                webhook=webhook_id,
                cursor=letter.cursor,
                status=answer.status,
                reason=answer.reason,
            )
        with self._held[webhook_id].database.transaction() as session:
            webhooks.record(session, webhook_id, letter.cursor, answer)
