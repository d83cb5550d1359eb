"""The schema: migrations and tables agree, and several processes may start together."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, StatementError

import migrations
from service.database import Database, DatabaseLost
from service.evaluations import repository as evaluations
from service.evaluations.repository import pack, unpack
from service.events import repository as events
from service.jobs import repository as jobs
from service.tables import Base, Job, Trial
from service.trials import repository as trials
from tests.postgresql import PostgresServer
from tests.waiting import until


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's, to migrate on this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


_SCRIPTS = ScriptDirectory.from_config(migration_config())
_REVISIONS = [script.revision for script in _SCRIPTS.walk_revisions()][::-1]
_BEFORE_CURSOR = _REVISIONS[: _REVISIONS.index("0007")]


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


def test_the_migrated_schema_is_that_of_the_tables(database_url: str) -> None:
    _migrate(database_url)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert set(inspect(connection).get_table_names()) == {
            *Base.metadata.tables,
            "alembic_version",
        }
    engine.dispose()


@pytest.mark.parametrize("revision", _REVISIONS)
def test_what_was_recorded_under_an_older_schema_is_read_under_the_newest(
    database_url: str, revision: str
) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), revision)
        for statement in _OLD_ROWS:
            connection.execute(text(statement))
        if revision in _BEFORE_CURSOR:
            connection.execute(text(_OLD_EVENT))
    engine.dispose()
    database = Database(database_url)
    database.migrate()
    with database.transaction() as session:
        assert jobs.get(session, "j").created_at == datetime(2026, 1, 1, tzinfo=UTC)
        assert [trial.state for trial in trials.all_of(session, "j")] == ["finished", "failed"]
        (found,) = evaluations.all_of(session, "j", split="search")
        assert {task: score.n for task, score in found.scores.items()} == {"a": 20, "b": 40}
        known = events.newest(session)
        assert known == (7 if revision in _BEFORE_CURSOR else 0)
        events.append(session, "j", "job.noted", {})
        assert [event.id for event in events.after(session, known)] == [known + 1]
    database.close()


def test_trials_from_before_racing_are_counted_and_the_way_back_is_open(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        config = migration_config(connection)
        command.upgrade(config, "0001")
        for statement in _OLD_ROWS:
            connection.execute(text(statement))
        command.upgrade(config, "head")
        rows = connection.execute(text("SELECT number, n, tokens, same_as FROM trials"))
        assert rows.fetchall() == [(0, 60, 900, None), (1, 0, 0, None)]
        failed = connection.execute(text("SELECT CAST(failures AS TEXT), agreed FROM scores"))
        assert set(failed.fetchall()) == {("{}", None)}
        command.downgrade(config, "0001")
        assert {column["name"] for column in inspect(connection).get_columns("trials")} == {
            column.name for column in Trial.__table__.columns
        } - {
            "n",
            "tokens",
            "same_as",
            "estimate",
            "estimate_n",
            "objectives",
            "constraints",
            "shortfall",
            "asked_after",
            "told",
        }
        command.upgrade(config, "head")
    engine.dispose()


_OLD_EVENT = (
    "INSERT INTO events (id, job_id, kind, data, created_at)"
    " VALUES (7, 'j', 'job.created', '{}', '2026-01-01')"
)
_OLD_ROWS = [
    "INSERT INTO jobs (id, name, spec, state, phase, model_digests, created_at)"
    " VALUES ('j', 'old', '{}', 'finished', 'ended', '{}', '2026-01-01')",
    *(
        "INSERT INTO trials"
        " (job_id, number, stage, generation, genome, recipe, digest, state, created_at)"
        f" VALUES ('j', {number}, 's', 0, '[]', '{{}}', '', '{state}', '2026-01-01')"
        for number, state in enumerate(("finished", "failed"))
    ),
    "INSERT INTO evaluations"
    " (job_id, subject, split, worker, merge_seconds, score_seconds, finished_at)"
    " VALUES ('j', 'trial/0', 'search', 'w', 1, 1, '2026-01-01')",
    *(
        "INSERT INTO scores (job_id, subject, split, task, n, mean, items, truncated, no_answer,"
        " wrong_language, tokens)"
        f" VALUES ('j', 'trial/0', '{split}', '{task}', {n}, 0.5, '', 0, 0, 0, {tokens})"
        for split, task, n, tokens in (
            ("search", "a", 20, 300),
            ("search", "b", 40, 600),
            ("select", "a", 99, 999),
        )
    ),
]


def test_processes_that_migrate_at_once_all_succeed(database_url: str) -> None:
    program = "import sys; from service.database import Database; Database(sys.argv[1]).migrate()"
    command = [sys.executable, "-c", program, database_url]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4


def test_times_come_back_as_utc_whatever_zone_they_were_given_in(database: Database) -> None:
    elsewhere = datetime(2026, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=9)))
    with database.transaction() as session:
        job_id = jobs.create(session, "when", {}, {}).id
        jobs.get(session, job_id).started_at = elsewhere
    with database.transaction() as session:
        found = session.get_one(Job, job_id).started_at
    assert found == elsewhere
    assert found.tzinfo is UTC


def test_a_snapshot_waits_for_no_writer_and_sees_one_moment(database: Database) -> None:
    with database.transaction() as writer:
        job_id = jobs.create(writer, "first", {}, {}).id
    with database.transaction() as writer, database.snapshot() as reader:
        jobs.create(writer, "second", {}, {})
        writer.flush()
        assert [job.name for job in jobs.active(reader)] == ["first"]
    with database.snapshot() as reader:
        assert len(jobs.active(reader)) == 2
        with database.transaction() as writer:
            jobs.get(writer, job_id).state = "running"
        reader.expire_all()
        assert jobs.get(reader, job_id).state == "queued"


def test_a_writer_that_stood_still_for_too_long_has_lost_the_database(
    postgresql: PostgresServer,
) -> None:
    database = Database(postgresql.create())
    with pytest.raises(DatabaseLost):
        _stand_still_in_a_transaction(database)
    with database.transaction() as session:
        assert session.scalars(text("SELECT 1")).one() == 1
    database.close()


def _stand_still_in_a_transaction(database: Database) -> None:
    ended = text("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = :pid")
    with database.transaction() as session:
        pid = session.scalars(text("SELECT pg_backend_pid()")).one()
        session.execute(text("SET idle_in_transaction_session_timeout = '500ms'"))
        session.execute(text("CREATE TEMPORARY TABLE kept (number INTEGER)"))
        session.execute(text("INSERT INTO kept VALUES (:number)"), [{"number": 1}, {"number": 2}])

        def is_gone() -> bool:
            with database.snapshot() as other:
                return bool(other.scalars(ended, {"pid": pid}).one())

        until(is_gone)
        session.execute(text("SELECT 1"))


def test_a_trial_needs_its_job(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(
            Trial(
                job_id="nobody",
                number=0,
                stage="s",
                generation=0,
                genome=[],
                recipe={},
                digest="",
                state="pending",
                created_at=datetime.now(UTC),
            )
        )
    with database.transaction() as session:
        assert trials.all_of(session, "nobody") == []


def test_values_come_back_exactly_as_they_were(database: Database) -> None:
    spec = {"floats": [0.1, 1e-300, 2.0**53 + 2], "text": "日本 \0 ü", "none": None}
    with database.transaction() as session:
        job_id = jobs.create(session, "values", spec, {}).id
        jobs.end(session, job_id, "failed", "half a \ud83d, a \0 and ü")
    with database.snapshot() as session:
        found = session.get_one(Job, job_id)
        assert found.spec == spec
        assert found.reason == "half a ?, a \ufffd and ü"


def test_no_number_that_is_not_json_is_written(database: Database) -> None:
    with (
        pytest.raises((StatementError, ValueError), match="JSON compliant"),
        database.transaction() as one,
    ):
        jobs.create(one, "nan", {"value": float("nan")}, {})


def test_who_follows_the_events_of_many_writers_misses_none(database: Database) -> None:
    with database.transaction() as session:
        job_id = jobs.create(session, "busy", {}, {}).id

    def write(writer: int) -> None:
        for count in range(20):
            try:
                with database.transaction() as session:
                    events.append(session, job_id, "job.noted", {"by": writer, "count": count})
                    if count % 5 == 4:
                        raise _GivenUp
                    events.append(session, job_id, "job.noted", {"by": writer, "count": count})
            except _GivenUp:
                continue

    seen = [1]
    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, writer) for writer in range(8)]
        while True:
            over = all(writer.done() for writer in writers)
            with database.snapshot() as session:
                seen += [event.id for event in events.after(session, seen[-1], limit=7)]
                if over and seen[-1] == events.newest(session):
                    break
        for writer in writers:
            writer.result()
    assert seen == list(range(1, 8 * 16 * 2 + 2))


def test_no_update_is_lost_between_those_who_read_before_they_write(database: Database) -> None:
    with database.transaction() as session:
        job_id = jobs.create(session, "counted", {"count": 0}, {}).id

    def count(_writer: int) -> None:
        for _ in range(10):
            with database.transaction() as session:
                job = jobs.get(session, job_id)
                job.spec = {"count": job.spec["count"] + 1}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    with database.snapshot() as session:
        assert jobs.get(session, job_id).spec == {"count": 80}


class _GivenUp(Exception):
    """A writer that takes back what it has written."""


@given(st.lists(st.floats(0, 1, width=32)))
def test_item_scores_survive_packing_exactly(values: list[float]) -> None:
    assert unpack(pack(values)) == values
    assert len(pack(values)) == 4 * len(values)
