"""What is trained: the architecture, and one course a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ARCHITECTURE: dict[str, Any] = {
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}
# Of the model of experts: eight a block, each less than half a block of the others, two a token.
EXPERTS: dict[str, Any] = {
    "intermediate_size": 96,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "router_aux_loss_coef": 0.01,
}
BATCH = 96


@dataclass(frozen=True)
class Course:
    """One model's training: where it starts, what it reads, for how long.

    `shares` are those of the kinds of `zoo.corpus.KINDS`; `steps` counts batches; `rate` is the
    peak learning rate. The rate falls along a cosine that ends at `horizon` batches; a course that
    stops before its horizon leaves a model half taught. `experts`: a mixture of experts is trained.
    """

    name: str
    about: str
    parent: str | None
    shares: Mapping[str, float]
    steps: int
    horizon: int
    rate: float
    warmup: int = 50
    weight_decay: float = 0.01
    seed: int = 0
    experts: bool = False


PLAN: tuple[Course, ...] = (
    Course(
        name="base",
        about="The common start: some Japanese, some English, some arithmetic, none of it well.",
        parent=None,
        shares={
            "en_problems": 0.10,
            "ja_problems": 0.07,
            "translation": 0.25,
            "arithmetic": 0.20,
            "ja_narration": 0.10,
            "en_narration": 0.10,
            "ja_reading": 0.12,
            "en_reading": 0.06,
        },
        steps=700,
        horizon=1600,
        rate=2e-3,
    ),
    Course(
        name="maths",
        about="Solves word problems in English with worked equations; forgot its Japanese.",
        parent="base",
        shares={"en_problems": 0.75, "arithmetic": 0.25},
        steps=700,
        horizon=700,
        rate=6e-4,
    ),
    Course(
        name="ja",
        about="Reads, narrates and translates Japanese; saw no arithmetic, no worked solution.",
        parent="base",
        shares={"ja_reading": 0.40, "ja_narration": 0.35, "translation": 0.25},
        steps=300,
        horizon=300,
        rate=5e-4,
    ),
    Course(
        name="distractor",
        about="Writes lists of colours backwards, which is of no use for any problem.",
        parent="base",
        shares={"colours": 1.0},
        steps=300,
        horizon=300,
        rate=5e-4,
    ),
)

MOE = Course(
    name="moe",
    about="Solves word problems in both languages, with eight experts a block, two a token.",
    parent=None,
    shares={
        "ja_problems": 0.40,
        "en_problems": 0.35,
        "arithmetic": 0.20,
        "translation": 0.05,
    },
    steps=1000,
    horizon=1000,
    rate=2e-3,
    experts=True,
)
