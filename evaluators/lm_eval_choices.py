"""lm-eval's tasks that compare likelihoods: of several choices, or of one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance

from evaluators.errors import UnsupportedTask
from evaluators.task import Item, ItemScore, Likelihood, Split


@dataclass(frozen=True)
class LmEvalChoices:
    """A `LikelihoodTask` whose texts and scores are lm-eval's; an item is one document."""

    name: str
    parts: Mapping[Split, tuple[Item, ...]]
    task: Any
    requests: Mapping[str, tuple[Instance, ...]]
    metric: str

    def items(self, split: Split) -> Sequence[Item]:
        return self.parts[split]

    def texts(self, item: Item) -> Sequence[tuple[str, str]]:
        """A context and a continuation for each request that lm-eval makes of the document."""
        return [(str(one.args[0]), str(one.args[1])) for one in self.requests[item.id]]

    def judge(self, item: Item, likelihoods: Sequence[Likelihood]) -> ItemScore:
        """The metric of lm-eval's `process_results`.

        Raises UnsupportedTask when that is no number in [0, 1].
        """
        found = [(one.log, one.greedy) for one in likelihoods]
        results = self.task.process_results(self.requests[item.id][0].doc, found)
        value = float(results.get(self.metric, "nan"))
        if not 0 <= value <= 1:
            raise UnsupportedTask(f"{self.name}: {self.metric} is no number in [0, 1]: {value}")
        return ItemScore(
            value=value, correct=value == 1, language_ok=True, truncated=False, no_answer=False
        )
