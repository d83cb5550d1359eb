"""Exports carried out: queued rows become checkpoint work, and its result ends the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from merging.recipe import Recipe
from service.controller.ancestry import folders_of
from service.controller.context import make_ready, with_built
from service.controller.holding import Holding, Holdings
from service.controller.work_ids import about, of_export
from service.database import Database, DatabaseLost
from service.exports import repository as exports
from service.exports.documents import documents
from service.exports.evidence import gather
from service.jobs import repository as jobs
from service.leases import repository as leases
from service.quotas import repository as quotas
from service.settings import Settings
from service.sources.finding import complete
from service.tables import Export
from service.trials import repository as trials
from workers.work import Context, Result, Work, WriteCheckpoint

log = structlog.get_logger(__name__)

_TIMEOUT_SECONDS = 3600.0


def write_step(
    work_id: str, context: Context, recipe: Recipe, folder: Path, steps: Mapping[str, Recipe]
) -> WriteCheckpoint:
    """The work of writing a child; `steps` are the recipes before its own, by name."""
    return WriteCheckpoint(
        id=work_id,
        context=context,
        recipe=recipe.model_dump_json(exclude_none=True),
        folder=folder,
        timeout_seconds=_TIMEOUT_SECONDS,
        steps={name: step.model_dump_json(exclude_none=True) for name, step in steps.items()},
    )


class ExportQueue:
    """Hands out each queued export once, of those that no other process holds.

    A process that stops in the middle leaves the row queued, and the next one begins it again:
    the folder appears only when it is whole, so a folder that is there is a finished export.
    """

    def __init__(self, database: Database, holdings: Holdings, settings: Settings) -> None:
        self._database = database
        self._holdings = holdings
        self._settings = settings
        self._held: dict[str, Holding] = {}
        self._flying: set[str] = set()

    def next(self) -> tuple[str, Work] | None:
        """The next export to carry out, by its id, if there is one; one that cannot be is ended."""
        with self._database.snapshot() as session:
            held = leases.held(session)
            fresh = [
                row
                for row in exports.in_state(session, "queued")
                if row.id not in self._flying and self._holdings.may_take(held, row.id)
            ]
            owners = {row.job_id: jobs.get(session, row.job_id) for row in fresh}
        there = {job_id: complete(job, self._settings) for job_id, job in owners.items()}
        for export in fresh:
            if not there[export.job_id]:
                # The fetcher brings the models back, or ends the export.
                continue
            holding = self._held.get(export.id) or self._holdings.take(export.id)
            if holding is None:
                continue
            self._held[export.id] = holding
            try:
                work = self._work(export)
            except DatabaseLost:
                raise
            except Exception as error:
                self._settle(export.id, f"{type(error).__name__}: {error}")
                continue
            if work is None:
                self._settle(export.id, None)
                continue
            self._flying.add(export.id)
            return export.id, work
        return None

    def release(self) -> None:
        """Leave what is not written yet to other processes."""
        for holding in self._held.values():
            self._holdings.release(holding)

    def forget(self) -> None:
        """Ask the database anew what there is to do."""
        self._held.clear()
        self._flying.clear()

    def owns(self, result: Result) -> bool:
        """Whether the result is an export's."""
        return about(result.id).export is not None

    def record(self, result: Result) -> None:
        """Record what became of the export, unless what was written is a step on the way."""
        found = about(result.id)
        export_id = str(found.export)
        self._flying.discard(export_id)
        if export_id in self._held and (found.what == "export" or result.reason is not None):
            self._settle(export_id, result.reason)

    def _work(self, export: Export) -> Work | None:
        """The next thing to do for the export; None where a service before this one did it all."""
        folder = Path(export.folder)
        if folder.exists():
            return None
        with self._database.snapshot() as session:
            quotas.check_exports(session, export.owner, self._settings)
            job = jobs.get(session, export.job_id)
            trial = trials.get(session, export.job_id, export.trial)
            recipe = Recipe.model_validate(trial.recipe)
            steps = trials.steps_of(session, export.job_id, recipe)
        context = make_ready(job, self._settings).context
        models = context.models
        built = self._settings.built_dir / job.id
        done: dict[str, Recipe] = {}
        for name, step in steps.items():
            place = folders_of(step, built)
            context = with_built(context, place)
            if not (built / step.digest()).exists():
                work_id = of_export(export.id, len(done))
                return write_step(work_id, context, step, built / step.digest(), done)
            done[name] = step
        context = with_built(context, folders_of(recipe, built))
        work = write_step(of_export(export.id), context, recipe, folder, steps)
        return replace(work, documents=self._documents(export, models), gguf=export.gguf)

    def _documents(self, export: Export, models: Mapping[str, Path]) -> dict[str, str]:
        with self._database.transaction() as session:
            job = jobs.get(session, export.job_id)
            evidence = gather(session, job, export.trial, models, export.parents)
            exports.warn(session, export.id, evidence.warnings)
            return documents(evidence, export.repository)

    def _settle(self, export_id: str, reason: str | None) -> None:
        """Record that the folder is written, or why it could not be, and let go of the export."""
        holding = self._held.pop(export_id)
        try:
            with holding.database.transaction() as session:
                if reason is None:
                    exports.written(session, export_id)
                else:
                    exports.end(session, export_id, reason)
                leases.release(session, holding.lease)
        except leases.LeaseLost:
            log.warning("export_taken_over", export=export_id)
