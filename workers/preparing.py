"""What data-driven methods need to know of a context's models: found as files, or computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from merging.calibration.entropy import Descent, layerwise_coefficients
from merging.calibration.fisher import diagonal_fisher
from merging.calibration.needs import Setting, models_of, settings_of
from merging.calibration.store import Measured, Tensors, kept, statistic_name
from merging.calibration.texts import Text, token_batches
from merging.catalogue import get_method
from merging.checkpoint import content_digest
from merging.checks import check_recipe
from merging.engine import MergeEngine
from merging.errors import CalibrationError
from merging.moe.routing import routing_statistics
from merging.recipe import Calibration, ModelEntry, Recipe
from workers.prompts import Prompts


class Preparing:
    """The statistics of an engine's models, each computed once and kept in `folder`, or else in
    memory. They are computed in the engine's resident model: no other is loaded.

    Texts are prompts of search splits, in the tokens of the model that looks at them, and what a
    model itself answers to them; no reference answer is read. `tokenizer_in` loads the tokenizer in
    a folder.
    """

    def __init__(
        self,
        engine: MergeEngine,
        models: Mapping[str, Path],
        tokenizer_in: Callable[[Path], PreTrainedTokenizerBase],
        tasks_dir: Path | None,
        folder: Path | None,
    ) -> None:
        self._engine = engine
        self._models = models
        self._tokenizer_in = tokenizer_in
        self._tasks_dir = tasks_dir
        self._folder = folder
        self._prompts: dict[tuple[str, int, Path], Prompts] = {}
        self._digests: dict[str, str] = {}
        self._mapped: dict[str, Tensors] = {}

    def measured(self, recipe: Recipe) -> Measured | None:
        """All that the recipe's method needs to know; None where it needs nothing.

        What no file holds yet is computed, after which the resident is in no use until the next
        merge. Raises RecipeError, EvaluatorError or CalibrationError.
        """
        statistic = get_method(recipe.merge_method).statistic
        if statistic is None:
            return None
        if statistic.joint:
            return self.prepare(recipe, None)
        found = {name: self.prepare(recipe, name).of_models[name] for name in models_of(recipe)}
        return Measured(of_models=found)

    def prepare(self, recipe: Recipe, model: str | None) -> Measured:
        """The statistics of one model or, for None, those of all models together; as `measured`."""
        check_recipe(recipe, {name: one.info for name, one in self._engine.parents.items()})
        statistic, calibration = get_method(recipe.merge_method).statistic, recipe.calibration
        assert statistic is not None
        assert calibration is not None
        if statistic.kind == "fisher" and model is not None:
            seed = calibration.seed
            return self._answered("fisher", model, calibration, partial(diagonal_fisher, seed=seed))
        if statistic.kind == "routing" and model is not None:
            # Nothing is drawn: the seed plays no part.
            unseeded = calibration.model_copy(update={"seed": 0})
            return self._answered("routing", model, unseeded, _routing)
        if statistic.kind == "adamerging" and model is None:
            return Measured(joint=self._adamerging(recipe, calibration))
        raise CalibrationError(f"statistics {statistic.kind!r} of {model!r} are none")

    def _answered(
        self,
        kind: str,
        model: str,
        calibration: Calibration,
        compute: Callable[[PreTrainedModel, list[Text]], Tensors],
    ) -> Measured:
        """What is computed from a model on prompts, each with the model's own answer."""
        prompts = self._prompts_of(model, calibration.task_of(model), calibration.items)
        # The answers follow from the model, the prompts, and how answers are generated.
        settings: dict[str, Setting] = {"seed": calibration.seed}
        settings["generation"] = prompts.generation
        name = statistic_name(kind, [self._digest(model)], [prompts.digest], settings)

        def computed() -> Tensors:
            resident = self._engine.merge(_alone(model))
            return compute(resident, prompts.answered(resident))

        return Measured(of_models={model: self._kept(name, computed)})

    def _adamerging(self, recipe: Recipe, calibration: Calibration) -> Tensors:
        base, parents = recipe.base_model, models_of(recipe)
        assert base is not None
        tasks = dict.fromkeys(calibration.task_of(name) for name in parents)
        prompts = [self._prompts_of(base, task, calibration.items) for task in tasks]
        settings = settings_of(recipe) | {"seed": calibration.seed}
        models = [self._digest(one) for one in (base, *parents)]
        name = statistic_name("adamerging", models, [one.digest for one in prompts], settings)
        descent = Descent(
            steps=int(settings["steps"]),
            learning_rate=float(settings["learning_rate"]),
            initial=float(settings["initial"]),
            batch=int(settings["batch"]),
            seed=calibration.seed,
        )
        readers = self._engine.parents
        return self._kept(
            name,
            lambda: layerwise_coefficients(
                self._engine.merge(_alone(base)),
                readers[base].tensor,
                [readers[one].tensor for one in parents],
                [one.texts for one in prompts],
                descent,
            ),
        )

    def _prompts_of(self, model: str, task: str, items: int) -> Prompts:
        """A task's prompts in the tokens of a model."""
        folder = self._engine.tokenizer_folder(_alone(model))
        key = task, items, folder
        if key not in self._prompts:
            context = self._engine.parents[model].info.config.get("max_position_embeddings")
            tokenizer = self._tokenizer_in(folder)
            self._prompts[key] = Prompts(task, items, tokenizer, self._tasks_dir, context)
        return self._prompts[key]

    def _digest(self, model: str) -> str:
        if model not in self._digests:
            self._digests[model] = content_digest(self._models[model])
        return self._digests[model]

    def _kept(self, name: str, compute: Callable[[], Tensors]) -> Tensors:
        # Candidates follow one another with the same statistics: they are mapped once.
        if name not in self._mapped:
            folder = self._folder
            self._mapped[name] = compute() if folder is None else kept(folder, name, compute)
        return self._mapped[name]


def _routing(model: PreTrainedModel, texts: list[Text]) -> Tensors:
    return routing_statistics(model, token_batches(texts))


def _alone(model: str) -> Recipe:
    """The model itself, as a merge of one."""
    return Recipe(merge_method="linear", models=(ModelEntry(model=model),))
