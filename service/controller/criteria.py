"""What a job's scores are worth: fitness, objectives, constraints, finalists and the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.finalists import finalists, winner
from search.fitness import fitness
from search.objectives import Found, front, missed, shortfall, values_of
from search.objectives_spec import Pareto
from search.spec import SearchSpec
from service.controller.allocating import JobLog
from service.controller.errors import NoChild
from service.evaluations.repository import Recorded, Subject


class Criteria:
    """A spec's criteria, over what is recorded of its job."""

    def __init__(self, spec: SearchSpec, log: JobLog) -> None:
        self._spec = spec
        self._log = log
        self._weights = {entry.task: entry.weight for entry in spec.tasks}

    def fitness(self, recorded: Recorded) -> float | None:
        """The weighted mean of the task scores; None where there are none."""
        if recorded.reason is not None:
            return None
        return fitness(recorded.means(), self._weights)

    def objectives(self, recorded: Recorded) -> list[float] | None:
        """One number an objective; None where fitness is the only one, or there are no scores."""
        value = self.fitness(recorded)
        if value is None or not isinstance(self._spec.objectives, Pareto):
            return None
        tokens = sum(score.tokens for score in recorded.scores.values())
        found = Found(
            fitness=value,
            means=recorded.means(),
            parameters=recorded.parameters or 0,
            speed=tokens / recorded.seconds if recorded.seconds > 0 else 0.0,
        )
        return list(values_of(self._spec.objectives, found))

    def constraints(self, recorded: Recorded) -> list[float] | None:
        """By how much each constraint is missed on the split; None where there are none.

        Raises NoChild if a model that a constraint refers to could not be scored.
        """
        if recorded.reason is not None or not self._spec.constraints:
            return None
        of_models = self._reference_means(recorded.split)
        return list(missed(self._spec.constraints, recorded.means(), of_models))

    def finalists(self) -> list[int]:
        """Numbers of the trials that are scored on select: those of the best fitness, or the front.

        If no trial meets the constraints, those that miss them by the least.
        """
        whole, top_k = self._log.scored_whole(), self._spec.select.top_k
        met = [trial for trial in whole if not trial.shortfall]
        if isinstance(self._spec.objectives, Pareto) and met:
            return front(met)[:top_k]
        nearest = sorted(whole, key=lambda trial: trial.shortfall)[:top_k]
        return finalists(met or nearest, top_k)

    def winner(self, chosen: Sequence[int]) -> int:
        """The finalist with the best fitness on select, of those that meet the constraints there;
        if none does, the one that misses them by the least."""
        found = {number: self._log.recorded[Subject.trial(number), "select"] for number in chosen}
        scores = {number: self.fitness(recorded) for number, recorded in found.items()}
        finite = {number: score for number, score in scores.items() if score is not None}
        if not finite:
            reason = found[chosen[0]].reason
            raise NoChild(f"every finalist failed on the select split: {reason}")
        short = {number: shortfall(self.constraints(found[number]) or ()) for number in finite}
        least = min(short.values())
        return winner({number: finite[number] for number in finite if short[number] == least})

    def _reference_means(self, split: str) -> Mapping[str, Mapping[str, float]]:
        means = {}
        for alias in reference_models(self._spec):
            recorded = self._log.recorded[Subject("parent", alias), split]
            if recorded.reason is not None:
                message = f"{alias!r}, which a constraint refers to, could not be scored"
                raise NoChild(f"{message}: {recorded.reason}")
            means[alias] = recorded.means()
        return means


def reference_models(spec: SearchSpec) -> list[str]:
    """The models that constraints refer to, by alias."""
    return list(dict.fromkeys(one.of for one in spec.constraints if one.of is not None))
