"""Train the zoo: `python -m zoo.train [--out DIR] [--only NAME]`.

A base learns a little of everything; every child is fine-tuned from it on a mix of its own. All
numbers come from fixed seeds and one thread, so that a second run gives the same weights.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
)

from zoo.cards import model_card
from zoo.corpus import mixed
from zoo.plan import ARCHITECTURE, BATCH, EXPERTS, MOE, PLAN, Course
from zoo.tokenizer import build_tokenizer

_ROWS_PER_PASS = 24


Model = LlamaForCausalLM | MixtralForCausalLM


def fresh_model(tokenizer: PreTrainedTokenizerFast, seed: int, *, experts: bool = False) -> Model:
    """An untrained model of the zoo's architecture, or of that with experts."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **ARCHITECTURE,
    }
    if experts:
        return MixtralForCausalLM(MixtralConfig(**settings | EXPERTS))
    return LlamaForCausalLM(LlamaConfig(**settings))


def train(
    model: Model,
    tokenizer: PreTrainedTokenizerFast,
    course: Course,
    *,
    steps: int | None = None,
    batch: int = BATCH,
    report: Callable[[int, float], None] | None = None,
) -> None:
    """Train `model` in place for `steps` batches (all of the course's when none are given).

    `batch` counts documents. `report` is called with (batches done, loss in nats a token) after
    every batch.
    """
    texts = mixed(course.shares, random.Random(f"{course.name} {course.seed}"))
    encoded = (_encode(tokenizer, text) for text in texts)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=course.rate, betas=(0.9, 0.98), weight_decay=course.weight_decay
    )
    model.train()
    for step in range(course.steps if steps is None else steps):
        for group in optimizer.param_groups:
            group["lr"] = course.rate * _schedule(step, course)
        loss = _accumulate(model, list(islice(encoded, batch)))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if report is not None:
            report(step + 1, loss)
    model.train(False)


def _encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    ids: list[int] = tokenizer(text)["input_ids"]
    return [*ids, int(tokenizer.eos_token_id)]


def _schedule(step: int, course: Course) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < course.warmup:
        return (step + 1) / course.warmup
    progress = (step - course.warmup) / max(1, course.horizon - course.warmup)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress)))


def _accumulate(model: Model, batch: Sequence[list[int]]) -> float:
    """Gradients of the mean loss a token; returns that mean.

    With experts, an uneven use of them is a loss too (Fedus et al., arXiv 2101.03961, section 2.2).
    Rows of similar length go through together, which halves the padding.
    """
    rows = sorted(batch, key=len)
    total = sum(len(row) - 1 for row in rows)
    mean = 0.0
    for first in range(0, len(rows), _ROWS_PER_PASS):
        ids, labels = _padded(rows[first : first + _ROWS_PER_PASS])
        if isinstance(model, MixtralForCausalLM):
            told = {"attention_mask": labels != -100, "output_router_logits": True}
            outputs = model(input_ids=ids, use_cache=False, **told)
            balance = model.router_aux_loss_coef * outputs.aux_loss * len(ids) / len(rows)
        else:
            outputs, balance = model(input_ids=ids, use_cache=False), 0.0
        loss = torch.nn.functional.cross_entropy(
            outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
        )
        loss = loss / total + balance
        loss.backward()
        mean += loss.item()
    return mean


def _padded(rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels (rows, longest); padding on the right never reaches an earlier position."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    return ids, labels


def main() -> None:
    """Command line; see the module's docstring."""
    courses = (*PLAN, MOE)
    parser = argparse.ArgumentParser(prog="python -m zoo.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="parent folder")
    parser.add_argument("--only", choices=[course.name for course in courses], default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = build_tokenizer()
    chosen = [course for course in courses if arguments.only in (None, course.name)]
    left = sum(course.steps for course in chosen)
    for course in chosen:
        model = starting_model(course, tokenizer, arguments.out)
        train(model, tokenizer, course, report=_Progress(course, left))
        save(model, tokenizer, course, arguments.out)
        left -= course.steps


def starting_model(course: Course, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Model:
    """Random weights, or the trained parent that lies in `folder`."""
    if course.parent is None:
        return fresh_model(tokenizer, course.seed, experts=course.experts)
    return LlamaForCausalLM.from_pretrained(folder / course.parent, dtype=torch.float32)


def save(model: Model, tokenizer: PreTrainedTokenizerFast, course: Course, folder: Path) -> None:
    """Write an ordinary model folder with its card to `folder`/name."""
    target = folder / course.name
    model.generation_config.do_sample = False
    if course.experts:
        # There are twice as many numbers as in the others, so each gets half the bits.
        model = model.bfloat16()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    (target / "README.md").write_text(model_card(course, model.num_parameters()), encoding="utf-8")


class _Progress:
    """Prints a line every hundred batches: loss, speed, time left for all that is to be done."""

    def __init__(self, course: Course, left: int) -> None:
        self.course, self.left, self.began = course, left, time.monotonic()

    def __call__(self, step: int, loss: float) -> None:
        if step % 100 and step != self.course.steps:
            return
        pace = (time.monotonic() - self.began) / step
        minutes = pace * (self.left - step) / 60
        print(
            f"{self.course.name} {step}/{self.course.steps}: loss {loss:.3f},"
            f" {pace:.2f} s a batch, {minutes:.1f} min left in all",
            flush=True,
        )


if __name__ == "__main__":
    main()
