"""Every event of a job reaches its webhook, signed and in order, through kills of the service."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from service.events import repository as events
from service.sealing import new_key
from service.webhooks.schemas import WebhookRequest
from tests.faults.conftest import opened, search, submit
from tests.postgresql import PostgresServer
from tests.receiver import Receiver, receiving
from tests.running import RunningService, wait_for_end
from tests.waiting import until

Serve = Callable[..., RunningService]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.fixture
def serve(tiny_models: Path, tmp_path: Path) -> Iterator[Serve]:
    """Starts services that share one key, by name, on a database."""
    environment = {
        "CUVEE_SECRET_KEY": new_key(),
        "CUVEE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
    }
    with ExitStack() as stack:

        def start(name: str, url: str, seconds: float = 0.0) -> RunningService:
            service = RunningService(
                tmp_path / name,
                models=tiny_models,
                database=url,
                module="tests.faults.instant_service",
                options=["--lease", "1", "--seconds", str(seconds)],
                environment=environment,
            )
            return stack.enter_context(service)

        yield start


def test_no_event_is_lost_when_the_service_is_killed(
    serve: Serve, receiver: Receiver, tmp_path: Path
) -> None:
    # Another moment in every run.
    moment = random.SystemRandom().randrange(1, 25)
    url = f"sqlite:///{tmp_path / 'cuvee.sqlite3'}"
    service = serve("service", url)
    with service.client() as client:
        secret = client.create_webhook(WebhookRequest(url=receiver.address)).secret
        receiver.answers = [500, 0]
        job_id = submit(client, tmp_path, search(12))
        until(lambda: len(receiver.deliveries) >= moment)
    service.kill()
    service.start()
    # Two attempts were refused, and one may have been cut off by the kill.
    _check_all_arrived(service, url, receiver, secret, job_id, refused=2, cut=1)


@pytest.mark.long
def test_another_service_sends_what_a_killed_one_has_not(
    serve: Serve, receiver: Receiver, postgresql: PostgresServer, tmp_path: Path
) -> None:
    url = postgresql.create()
    services = [serve(name, url, seconds=0.5) for name in ("first", "second")]
    with services[0].client() as client:
        secret = client.create_webhook(WebhookRequest(url=receiver.address)).secret
        job_id = submit(client, tmp_path, search(60))
        draws = random.SystemRandom()
        for count in sorted(draws.sample(range(1, 70), 3)):
            until(partial(_has, receiver, count), 120)
            # Both may have the webhook: each is killed in turn.
            services[1].kill()
            services[1].start()
            services.reverse()
    _check_all_arrived(services[0], url, receiver, secret, job_id, refused=0, cut=3)


def _has(receiver: Receiver, count: int) -> bool:
    return len(receiver.deliveries) >= count


def _check_all_arrived(
    service: RunningService,
    url: str,
    receiver: Receiver,
    secret: str,
    job_id: str,
    *,
    refused: int,
    cut: int,
) -> None:
    """Each event of the only job once, in order, but for what was refused or cut off."""
    with service.client() as client:
        assert wait_for_end(client, job_id).state == "finished"
        with opened(url) as database, database.snapshot() as session:
            wanted = [event.id for event in events.after(session, 0, limit=10_000)]
        until(lambda: client.webhooks()[0].cursor == wanted[-1], 60)
        assert client.webhooks()[0].delivered == len(wanted)
    arrived = receiver.cursors()
    assert list(dict.fromkeys(arrived)) == wanted
    assert len(wanted) + refused <= len(arrived) <= len(wanted) + refused + cut
    for one in receiver.deliveries:
        assert one.checked(secret)["data"]["job"] == job_id
