"""A job's trial log read straight from the database, to compare two runs bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.database import Database
from service.evaluations import repository as evaluations
from service.trials import repository as trials


def trial_log(data: Path, job_id: str) -> list[dict[str, Any]]:
    """Every trial in order, from the database in a data folder."""
    return trial_log_in(f"sqlite:///{data / 'cuvee.sqlite3'}", job_id)


def trial_log_in(url: str, job_id: str) -> list[dict[str, Any]]:
    """Every trial in order: where it stands, its genome, recipe, fitness and item scores."""
    database = Database(url)
    with database.snapshot() as session:
        scores = {
            (entry.subject.label, entry.split): {
                task: evaluations.unpack(score.items) for task, score in entry.scores.items()
            }
            for entry in evaluations.all_of(session, job_id, kind="trial")
        }
        log = [
            {
                "number": trial.number,
                "stage": trial.stage,
                "generation": trial.generation,
                "genome": trial.genome,
                "recipe": trial.recipe,
                "digest": trial.digest,
                "state": trial.state,
                "fitness": trial.fitness,
                "estimate": trial.estimate,
                "estimate_n": trial.estimate_n,
                "n": trial.n,
                "tokens": trial.tokens,
                "same_as": trial.same_as,
                "items": scores[str(trial.number), "search"],
            }
            for trial in trials.all_of(session, job_id)
        ]
    database.close()
    return log
