"""What an exported folder holds beside the model: its card, the evidence and a figure."""

from __future__ import annotations

import json

from service.exports.card import EVIDENCE, FIGURE, model_card
from service.exports.evidence import Evidence
from service.exports.figure import search_figure


def documents(evidence: Evidence, repository: str | None) -> dict[str, str]:
    """Texts by file name, the same for the same evidence: nothing in them tells the time."""
    points = [
        (trial.number, trial.fitness)
        for trial in evidence.trials
        if trial.fitness is not None and not trial.censored
    ]
    return {
        "README.md": model_card(evidence, repository),
        EVIDENCE: json.dumps(evidence.plain(), indent=1, ensure_ascii=False) + "\n",
        FIGURE: search_figure(points, evidence.lines),
    }
