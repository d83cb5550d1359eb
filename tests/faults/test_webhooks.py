"""Every event of a job reaches its webhook, signed and in order, through kills of the service."""

from __future__ import annotations

import random
from pathlib import Path

from service.events import repository as events
from service.sealing import new_key
from service.webhooks.schemas import WebhookRequest
from tests.faults.conftest import opened, search, submit
from tests.receiver import receiving
from tests.running import RunningService, wait_for_end
from tests.waiting import until


def test_no_event_is_lost_when_the_service_is_killed(tiny_models: Path, tmp_path: Path) -> None:
    # Another moment in every run.
    moment = random.SystemRandom().randrange(1, 25)
    with receiving() as receiver:
        service = RunningService(
            tmp_path / "data",
            models=tiny_models,
            module="tests.faults.instant_service",
            options=["--lease", "1"],
            environment={
                "CUVEE_SECRET_KEY": new_key(),
                "CUVEE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
            },
        )
        with service, service.client() as client:
            made = client.create_webhook(WebhookRequest(url=receiver.address))
            receiver.answers = [500, 0]
            job_id = submit(client, tmp_path, search(12))
            until(lambda: len(receiver.deliveries) >= moment)
            service.kill()
            service.start()
            with service.client() as again:
                assert wait_for_end(again, job_id).state == "finished"
                url = f"sqlite:///{tmp_path / 'data' / 'cuvee.sqlite3'}"
                with opened(url) as database, database.snapshot() as session:
                    wanted = [event.id for event in events.after(session, 0)]
                until(lambda: again.webhooks()[0].cursor == wanted[-1])
                delivered = again.webhooks()[0].delivered
    arrived = receiver.cursors()
    assert list(dict.fromkeys(arrived)) == wanted
    assert delivered == len(wanted)
    # Two attempts were refused, and one may have been cut off by the kill.
    assert len(wanted) + 2 <= len(arrived) <= len(wanted) + 3
    for one in receiver.deliveries:
        assert one.checked(made.secret)["data"]["job"] == job_id
