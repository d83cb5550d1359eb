"""Model cards: the README.md of every model folder."""

from __future__ import annotations

from zoo.plan import BATCH, Course


def model_card(course: Course, parameters: int) -> str:
    """Front matter of the model hub, then what the model is and how it was made."""
    kind = "Mixtral" if course.experts else "Llama"
    start = "random weights" if course.parent is None else f"`{course.parent}`"
    lines = [
        "---",
        "license: apache-2.0",
        "language: [ja, en]",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        *(() if course.parent is None else (f"base_model: ../{course.parent}",)),
        "---",
        "",
        f"# {course.name}",
        "",
        course.about,
        "",
        f"A toy of {parameters:,} parameters for trying out model merging: {kind} architecture,",
        "whole-word vocabulary, of no other use.",
        "",
        f"Trained by `python -m zoo.train` from {start}: {course.steps} batches of {BATCH}",
        f"documents, AdamW, peak rate {course.rate:g} after {course.warmup} batches of warm-up,",
        f"then a cosine that ends after {course.horizon}. All text is generated; no data of others",
        "was used. The kinds of document are those of `zoo/corpus.py`:",
        "",
        "| documents | share |",
        "|---|---|",
        *(f"| {name} | {share:.0%} |" for name, share in course.shares.items()),
        "",
        "What this model and its merges score is in `zoo/README.md`.",
        "",
    ]
    return "\n".join(lines)
