"""Several machines, by their processes: PostgreSQL, a Ray head, two nodes and two services."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from service.tables import Evaluation
from tests.cluster import ray_cluster
from tests.faults.conftest import opened
from tests.postgresql import PostgresServer
from tests.running import RunningService, wait_for_end, wait_for_trials
from tests.trial_log import trial_log_in
from tests.waiting import until
from tests.zoo_spec import write_spec, zoo_spec

TRIALS = 18


def _places(url: str, job_id: str) -> set[str]:
    """The addresses of the nodes that evaluated trials of the job on the search split."""
    query = select(Evaluation.worker).where(
        Evaluation.job_id == job_id,
        Evaluation.subject.startswith("trial/"),
        Evaluation.split == "search",
        # Copies of a parent's scores were made nowhere.
        Evaluation.worker != "",
    )
    with opened(url) as database, database.snapshot() as session:
        return {worker.partition(" on ")[2] for worker in session.scalars(query)}


@pytest.mark.long
def test_a_job_runs_on_two_nodes_and_outlasts_one_and_a_service(
    tmp_path: Path, postgresql: PostgresServer
) -> None:
    url = postgresql.create()
    spec = write_spec(tmp_path, zoo_spec(trials=TRIALS))
    with ray_cluster([2, 2]) as cluster, ExitStack() as stack:
        first, second = (
            stack.enter_context(
                RunningService(
                    tmp_path / name,
                    workers=2,
                    database=url,
                    environment=cluster.environment | {"CUVEE_RAY_ADDRESS": cluster.address},
                )
            )
            for name in ("first", "second")
        )
        client = stack.enter_context(second.client())
        # The first that are up would do a job this small alone.
        until(lambda: sum(one.node is not None for one in client.workers()) == 4, 120)
        undisturbed = client.submit(spec).id
        assert wait_for_end(client, undisturbed).state == "finished"
        here, there = (node.address for node in cluster.nodes)
        assert _places(url, undisturbed) == {here, there}
        disturbed = client.submit(spec).id
        wait_for_trials(client, disturbed, 4)
        cluster.nodes[1].kill()
        wait_for_trials(client, disturbed, 9)
        first.kill()
        done = wait_for_end(client, disturbed)
        assert done.state == "finished", done.reason
        assert (done.trials_finished, done.trials_failed) == (TRIALS, 0)
        assert trial_log_in(url, disturbed) == trial_log_in(url, undisturbed)
        # What a lost node does not have is done where there still is one.
        after = client.submit(spec).id
        assert wait_for_end(client, after).state == "finished"
        assert _places(url, after) == {here}
