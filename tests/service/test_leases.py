"""Leases: one holder at a time, by the database's clock, and no writing after they are lost."""

from __future__ import annotations

import threading

import pytest

from service.controller.holding import Holdings
from service.database import Database
from service.jobs import repository as jobs
from service.leases import repository as leases
from service.leases.repository import LeaseLost
from service.tables import LeaseRow
from tests.waiting import until


@pytest.fixture
def job(database: Database) -> str:
    with database.transaction() as session:
        return jobs.create(session, "leased", {}, {}).id


def _take(database: Database, job: str, holder: str, seconds: float = 60.0) -> leases.Lease | None:
    with database.transaction() as session:
        return leases.take(session, job, holder, seconds)


def _run_out(database: Database, job: str) -> None:
    with database.transaction() as session:
        session.get_one(LeaseRow, job).expires = 1.0


def _expires(database: Database, job: str) -> float:
    with database.snapshot() as session:
        return session.get_one(LeaseRow, job).expires


def test_one_of_many_gets_a_lease(database: Database, job: str) -> None:
    taken: list[leases.Lease | None] = []
    threads = [
        threading.Thread(target=lambda name=name: taken.append(_take(database, job, name)))
        for name in "abcdefgh"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([lease for lease in taken if lease is not None]) == 1


def test_a_lease_that_ran_out_goes_to_another_under_a_new_term(
    database: Database, job: str
) -> None:
    first = _take(database, job, "first")
    assert first is not None
    assert _take(database, job, "second") is None
    with database.snapshot() as session:
        assert leases.held(session)[job] == leases.Held("first", live=True)
    _run_out(database, job)
    with database.snapshot() as session:
        assert leases.held(session)[job] == leases.Held("first", live=False)
    second = _take(database, job, "second")
    assert second is not None
    assert second.term > first.term
    with database.transaction() as session:
        # Renewing is for those who still hold it.
        leases.renew(session, "first", 60)
        leases.check(session, second)
        with pytest.raises(LeaseLost):
            leases.check(session, first)


def test_what_a_former_holder_writes_is_not_there(database: Database, job: str) -> None:
    stalled = Holdings(database, 1, 60).take(job)
    assert stalled is not None
    with stalled.database.transaction() as session:
        jobs.start(session, job)
    _run_out(database, job)
    assert _take(database, job, "second") is not None
    with pytest.raises(LeaseLost), stalled.database.transaction() as session:
        jobs.end(session, job, "failed", "a word from the grave")
    with database.snapshot() as session:
        assert jobs.get(session, job).state == "running"


def test_who_takes_its_own_lease_again_writes_under_the_new_term_only(
    database: Database, job: str
) -> None:
    holdings = Holdings(database, 1, 60)
    before, after = holdings.take(job), holdings.take(job)
    assert before is not None
    assert after is not None
    with after.database.transaction() as session:
        jobs.start(session, job)
    with pytest.raises(LeaseLost), before.database.transaction() as session:
        jobs.end(session, job, "failed")


def test_a_lease_is_renewed_while_its_holder_is_alive_and_free_once_it_is_released(
    database: Database, job: str
) -> None:
    holdings = Holdings(database, 3, 10)
    holdings.start()
    holding = holdings.take(job)
    assert holding is not None
    taken = _expires(database, job)
    until(lambda: _expires(database, job) > taken, 60)
    with database.snapshot() as session:
        assert leases.all_workers(session) == 3
    holdings.release(holding)
    assert _take(database, job, "other") is not None
    holdings.release(holding)
    holdings.stop()
    with database.snapshot() as session:
        assert leases.all_workers(session) == 0
        assert leases.held(session)[job].holder == "other"
