"""The gate: a spec is admitted whole, or refused with every field that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluators.answering.checks import check_chain_of_thought, check_program, check_written
from evaluators.catalogue import check_task
from evaluators.errors import EvaluatorError
from evaluators.published import overlap
from merging.checkpoint import CheckpointInfo, content_digest
from merging.checks import check_recipe
from merging.errors import RecipeError
from merging.vocabulary import child_infos
from search.calibration import calibration_tasks
from search.errors import FieldError, SamplerError, SpecError
from search.gene import Gene
from search.references import references, stand_in, with_models
from search.sampler_choice import chosen_sampler
from search.samplers import make_sampler
from search.spaces import make_space
from search.spec import (
    Answer,
    ChainOfThoughtAnswer,
    ParameterSpaceSpec,
    ProgramAnswer,
    SearchSpec,
    SelfConsistencyAnswer,
    SelfVerificationAnswer,
    Stage,
    check_spec,
)
from service.errors import Invalid
from service.models import chats, shapes
from service.settings import Settings
from service.sources.finding import AskToken, find, nobody


@dataclass(frozen=True)
class Admitted:
    """A spec that can run here, the headers of each of its models by alias, the genes of each
    stage by its name, and which models are still to be fetched or converted."""

    spec: SearchSpec
    checkpoints: dict[str, CheckpointInfo]
    genes: dict[str, tuple[Gene, ...]]
    absent: frozenset[str] = frozenset()

    def model_digests(self) -> dict[str, str]:
        """The content digest of each model that is here, by alias; all of its weights are read."""
        return {
            alias: content_digest(info.path)
            for alias, info in self.checkpoints.items()
            if alias not in self.absent
        }


def admit(text: str, settings: Settings, token: AskToken = nobody) -> Admitted:
    """Check a spec (YAML, of which JSON is a part) before any model is loaded.

    The hub is asked with what `token` gives; None opens public models only. The spec comes back
    with every repository pinned to a commit. Raises Invalid, naming every field that is wrong.
    """
    try:
        spec = SearchSpec.from_yaml(text)
    except SpecError as error:
        # What is wrong with the document as a whole is the body's.
        named = [FieldError(one.field or "body", one.message) for one in error.errors]
        raise Invalid(named) from error
    errors = _tasks(spec, settings)
    try:
        found = find(spec, settings, token)
    except Invalid as error:
        raise Invalid([*error.errors, *errors]) from error
    spec, checkpoints = found.spec, found.checkpoints
    try:
        chats(spec, checkpoints)
    except Invalid as error:
        errors += error.errors
    genes: dict[str, tuple[Gene, ...]] = {}
    errors += check_spec(spec, shapes(checkpoints)) or _recipes(spec, checkpoints, genes)
    if errors:
        raise Invalid(errors)
    return Admitted(_with_samplers(spec, genes), checkpoints, genes, found.absent)


def _with_samplers(spec: SearchSpec, genes: Mapping[str, Sequence[Gene]]) -> SearchSpec:
    """The spec with every sampler written out, so that a job keeps the one it began with even if
    its budget, or the rule for defaults, changes."""
    chosen = [
        chosen_sampler(stage, genes[stage.name], spec.objective_count) for stage in spec.stages
    ]
    stages = [
        stage.model_copy(update={"sampler": sampler})
        for stage, sampler in zip(spec.stages, chosen, strict=True)
    ]
    return spec.model_copy(update={"stages": tuple(stages)})


def _tasks(spec: SearchSpec, settings: Settings) -> list[FieldError]:
    errors = []
    for index, entry in enumerate(spec.tasks):
        try:
            check_task(entry.task, entry.metric, settings.tasks_dir)
        except EvaluatorError as error:
            errors.append(FieldError(f"tasks.{index}.task", str(error)))
            continue
        if entry.search_metric is not None:
            try:
                check_task(entry.task, entry.search_metric, settings.tasks_dir)
            except EvaluatorError as error:
                errors.append(FieldError(f"tasks.{index}.search_metric", str(error)))
        try:
            for check in _checks(entry.answer):
                check(entry.task, entry.metric, settings.tasks_dir)
        except EvaluatorError as error:
            errors.append(FieldError(f"tasks.{index}.answer", str(error)))
    names = [entry.task for entry in spec.tasks]
    if both := overlap(names):
        searched, held = both
        message = f"{searched!r} would search on problems that {held!r} holds out; take one of them"
        errors.append(FieldError(f"tasks.{names.index(searched)}.task", message))
    for index, stage in enumerate(spec.stages):
        named = (
            calibration_tasks(stage.space) if isinstance(stage.space, ParameterSpaceSpec) else {}
        )
        for field, task in named.items():
            try:
                check_task(task, None, settings.tasks_dir)
            except EvaluatorError as error:
                path = f"stages.{index}.space.calibration.{field}"
                errors.append(FieldError(path, str(error)))
    return errors


def _checks(answer: Answer) -> Iterator[Callable[[str, str, Path | None], None]]:
    """What must hold of a task that is answered so."""
    if isinstance(answer, SelfConsistencyAnswer):
        yield check_written
        yield from _checks(answer.of)
    compared = isinstance(answer, ChainOfThoughtAnswer | ProgramAnswer) and answer.agreement
    if isinstance(answer, ChainOfThoughtAnswer) or compared:
        yield check_chain_of_thought
    if isinstance(answer, ProgramAnswer | SelfVerificationAnswer) or compared:
        yield check_program


def _recipes(
    spec: SearchSpec,
    checkpoints: dict[str, CheckpointInfo],
    genes: dict[str, tuple[Gene, ...]],
) -> list[FieldError]:
    """Try a recipe of every space against the parents' real shapes, and fill in `genes`. What an
    earlier stage will have found is not there yet: a model that it is made of stands in for it."""
    errors = []
    for index, stage in enumerate(spec.stages):
        aliases = references(stage.space)
        there = checkpoints | {alias: checkpoints[stand_in(spec, alias)] for alias in aliases}
        whole = with_models(spec, {alias: alias for alias in aliases})
        by_ref = {whole.models[alias].ref: info for alias, info in there.items()}
        space = make_space(whole, stage, shapes(there))
        genes[stage.name] = space.genes
        errors += _sampler(spec, stage, space.genes, f"stages.{index}.sampler")
        try:
            for recipe in space.probes():
                check_recipe(recipe, child_infos(recipe, by_ref))
        except RecipeError as error:
            errors.append(FieldError(f"stages.{index}.space", str(error)))
    return errors


def _sampler(spec: SearchSpec, stage: Stage, genes: Sequence[Gene], field: str) -> list[FieldError]:
    """Whether a stage's sampler takes as many objectives as there are."""
    if spec.objective_count == 1:
        return []
    try:
        settings = chosen_sampler(stage, genes, spec.objective_count)
        make_sampler(settings, genes, spec.seed, objectives=spec.objective_count)
    except SamplerError as error:
        return [FieldError(field, str(error))]
    return []
