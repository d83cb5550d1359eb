"""The schema: migrations and tables agree, and several processes may start together."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

import migrations
from service.database import Database
from service.evaluations.repository import pack, unpack
from service.jobs import repository as jobs
from service.tables import Base, Job, Trial
from service.trials import repository as trials


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'cuvee.sqlite3'}"


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


def test_the_migrated_schema_is_that_of_the_tables(tmp_path: Path) -> None:
    _migrate(_url(tmp_path))
    engine = create_engine(_url(tmp_path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert set(inspect(connection).get_table_names()) == {
            *Base.metadata.tables,
            "alembic_version",
        }
    engine.dispose()


def test_trials_from_before_racing_are_counted_and_the_way_back_is_open(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(_url(tmp_path))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in _OLD_ROWS:
            connection.execute(text(statement))
        command.upgrade(config, "head")
        rows = connection.execute(text("SELECT number, n, tokens, same_as FROM trials"))
        assert rows.fetchall() == [(0, 60, 900, None), (1, 0, 0, None)]
        failed = connection.execute(text("SELECT DISTINCT failures, agreed FROM scores"))
        assert failed.fetchall() == [("{}", None)]
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
        }
        command.upgrade(config, "head")
    engine.dispose()


_OLD_ROWS = [
    "INSERT INTO jobs (id, name, spec, state, phase, model_digests, created_at)"
    " VALUES ('j', 'old', '{}', 'finished', 'ended', '{}', '2026-01-01')",
    *(
        "INSERT INTO trials"
        " (job_id, number, stage, generation, genome, recipe, digest, state, created_at)"
        f" VALUES ('j', {number}, 's', 0, '[]', '{{}}', '', '{state}', '2026-01-01')"
        for number, state in enumerate(("finished", "failed"))
    ),
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


def test_processes_that_migrate_at_once_all_succeed(tmp_path: Path) -> None:
    program = "import sys; from service.database import Database; Database(sys.argv[1]).migrate()"
    command = [sys.executable, "-c", program, _url(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4


def test_times_come_back_as_utc_whatever_zone_they_were_given_in(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    elsewhere = datetime(2026, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=9)))
    with database.transaction() as session:
        job_id = jobs.create(session, "when", {}, {}).id
        jobs.get(session, job_id).started_at = elsewhere
    with database.transaction() as session:
        found = session.get_one(Job, job_id).started_at
    database.close()
    assert found == elsewhere
    assert found.tzinfo is UTC


def test_a_snapshot_waits_for_no_writer_and_sees_one_moment(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
    with database.transaction() as writer:
        job_id = jobs.create(writer, "first", {}, {}).id
    with database.transaction() as writer, database.snapshot() as reader:
        jobs.create(writer, "second", {}, {})
        writer.flush()
        assert [job.name for job in jobs.newest_first(reader, 10)] == ["first"]
    with database.snapshot() as reader:
        assert len(jobs.newest_first(reader, 10)) == 2
        with database.transaction() as writer:
            jobs.get(writer, job_id).state = "running"
        reader.expire_all()
        assert jobs.get(reader, job_id).state == "queued"
    database.close()


def test_a_trial_needs_its_job(tmp_path: Path) -> None:
    database = Database(_url(tmp_path))
    database.migrate()
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
    database.close()


@given(st.lists(st.floats(0, 1, width=32)))
def test_item_scores_survive_packing_exactly(values: list[float]) -> None:
    assert unpack(pack(values)) == values
    assert len(pack(values)) == 4 * len(values)
