"""Scoring one resident model, beside lm-eval's own backend and a plain batched `generate`.

All three get the same prompts, those that lm-eval makes of a task, on the same fp32 model with the
same stop rules. Batch sizes of the peers are the best of several on the first items. What a job
does once, such as tokenising and setting up lm-eval, is left out for all. Seconds of all the
process's threads are measured beside those of the clock, which others on the machine prolong.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils_hf import stop_sequences_criteria
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer, StopStringCriteria

from benchmarks.scoring_cases import CASES, Case, make_task
from evaluators.batches import prepare
from evaluators.generation import generate
from evaluators.lm_eval_bridge import LmEvalTask
from evaluators.task import SPLITS, Completion, GenerationSettings, Item

ROOT = Path(__file__).parent.parent
TRIED_ITEMS = 16
"""On these the peers' batch sizes are tried."""
NEAR_TIE = 1e-4


@dataclass(frozen=True)
class Figures:
    """One case. Completions that part from `generate`'s where the two best logits differ by less
    than `NEAR_TIE` count as near ties; `accuracy` is the task's metric, in [0, 1]."""

    case: str
    items: int
    prompt_tokens: int
    shared_tokens: int
    generated_tokens: int
    cuvee_items_per_s: float
    lm_eval_items_per_s: float
    generate_items_per_s: float
    lm_eval_batch_size: int
    generate_batch_size: int
    cuvee_cpu_s: float
    lm_eval_cpu_s: float
    generate_cpu_s: float
    outside_model_fraction: float
    identical_completions: int
    near_ties: int
    cuvee_accuracy: float
    lm_eval_accuracy: float


def main() -> None:
    """Run the cases and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200, help="items a case (%(default)s)")
    parser.add_argument("--case", action="append", choices=CASES, help="default: all")
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=[4, 8, 16],
        help="the peers' sizes to try; one alone is taken without a try (%(default)s)",
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    found = []
    console = Console()
    for name in options.case or CASES:
        found.append(_measure(name, CASES[name], options.items, options.batch_sizes))
        console.print(_table(found))
        if options.json:
            text = json.dumps([asdict(one) for one in found], indent=2)
            options.json.write_text(text + "\n", encoding="utf-8")


def _measure(name: str, case: Case, count: int, sizes: Sequence[int]) -> Figures:
    auto: Any = AutoModelForCausalLM
    folder = case.model(ROOT)
    model = auto.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with tempfile.TemporaryDirectory(prefix="cuvee-scoring-") as scratch:
        task = make_task(case, Path(scratch), count)
    items = sorted((one for split in SPLITS for one in task.items(split)), key=lambda one: one.id)
    batches = prepare(items, tokenizer, task.generation)
    generate(model, prepare(items[:4], tokenizer, task.generation))

    spent: list[float] = []
    with _timed_forward(model, spent), _timed() as cuvee:
        ours = generate(model, batches)
        scores = [task.score(*pair).value for pair in zip(items, ours, strict=True)]

    plain = _Plain(model, tokenizer, task.generation)
    plain_size = _best(sizes, lambda size: plain.texts(items[:TRIED_ITEMS], size))
    with _timed() as plain_taken:
        texts = plain.texts(items, plain_size)

    peer = _Peer(model, tokenizer, task)
    peer_size = _best(sizes, lambda size: peer.texts(items[:TRIED_ITEMS], size))
    with _timed() as peer_taken:
        theirs = peer.texts(items, peer_size)
    their_scores = [
        task.score(item, Completion(text, truncated=False, tokens=0)).value
        for item, text in zip(items, theirs, strict=True)
    ]
    same = [one.text == text for one, text in zip(ours, texts, strict=True)]
    ties = sum(
        plain.gap(item, one.text, text) < NEAR_TIE
        for item, one, text, equal in zip(items, ours, texts, same, strict=True)
        if not equal
    )
    return Figures(
        case=name,
        items=len(items),
        prompt_tokens=sum(map(len, batches.prompts)),
        shared_tokens=len(batches.prefix),
        generated_tokens=sum(one.tokens for one in ours),
        cuvee_items_per_s=len(items) / cuvee.wall,
        lm_eval_items_per_s=len(items) / peer_taken.wall,
        generate_items_per_s=len(items) / plain_taken.wall,
        lm_eval_batch_size=peer_size,
        generate_batch_size=plain_size,
        cuvee_cpu_s=cuvee.cpu,
        lm_eval_cpu_s=peer_taken.cpu,
        generate_cpu_s=plain_taken.cpu,
        outside_model_fraction=1 - sum(spent) / cuvee.wall,
        identical_completions=sum(same),
        near_ties=ties,
        cuvee_accuracy=sum(scores) / len(items),
        lm_eval_accuracy=sum(their_scores) / len(items),
    )


class _Plain:
    """transformers' `generate` on left-padded batches of prompts sorted by length."""

    def __init__(self, model: Any, tokenizer: Any, settings: GenerationSettings) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token

    def texts(self, items: Sequence[Item], size: int) -> list[str]:
        """The greedy completions, cut before the first stop string."""
        order = sorted(range(len(items)), key=lambda i: -len(items[i].prompt))
        found = [""] * len(items)
        for start in range(0, len(order), size):
            places = order[start : start + size]
            encoded = self._tokenizer(
                [items[i].prompt for i in places], return_tensors="pt", padding=True
            )
            output = self._model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                max_new_tokens=self._settings.max_new_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id,
                stopping_criteria=self._stopping(*encoded["input_ids"].shape),
            )
            written = self._tokenizer.batch_decode(
                output[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True
            )
            for place, text in zip(places, written, strict=True):
                found[place] = self._cut(text)
        return found

    def _stopping(self, rows: int, columns: int) -> Any:
        stops = list(self._settings.stop)
        if not stops:
            return None
        try:
            return [StopStringCriteria(self._tokenizer, stops)]
        except ValueError:
            # It cannot take a vocabulary of whole words apart; lm-eval's looks at decoded text.
            return stop_sequences_criteria(self._tokenizer, stops, columns, rows)

    def gap(self, item: Item, one: str, other: str) -> float:
        """How far the two best logits lie apart where two completions part."""
        prompt = self._tokenizer(item.prompt)["input_ids"]
        tokens = self._tokenizer(other, add_special_tokens=False)["input_ids"]
        kept = len(tokens)
        while kept and not one.startswith(self._tokenizer.decode(tokens[:kept])):
            kept -= 1
        with torch.inference_mode():
            logits = self._model(torch.tensor([[*prompt, *tokens[:kept]]])).logits[0, -1]
        best, second = logits.topk(2).values.tolist()
        return float(best - second)

    def _cut(self, text: str) -> str:
        ends = [place for stop in self._settings.stop if (place := text.find(stop)) >= 0]
        return text[: min(ends)] if ends else text


class _Peer:
    """lm-eval's HF backend on the requests that lm-eval made of its task."""

    def __init__(self, model: Any, tokenizer: Any, task: LmEvalTask) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._task = task

    def texts(self, items: Sequence[Item], size: int) -> list[str]:
        """The backend's completions."""
        peer = HFLM(pretrained=self._model, tokenizer=self._tokenizer, batch_size=size)
        requests = [self._task.instances[item.id] for item in items]
        return list(peer.generate_until(requests, disable_tqdm=True))


def _best(sizes: Sequence[int], run: Callable[[int], object]) -> int:
    """The batch size that takes the least time; larger ones are not tried once they are slower."""
    times: dict[int, float] = {}
    for size in sizes if len(sizes) > 1 else ():
        with _timed() as taken:
            run(size)
        times[size] = taken.wall
        if times[size] > 1.3 * min(times.values()):
            break
    return min(times, key=times.__getitem__, default=sizes[0])


@dataclass
class _Seconds:
    """By the clock, and of the processors."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def _timed() -> Iterator[_Seconds]:
    seconds = _Seconds(-time.perf_counter(), -time.process_time())
    yield seconds
    seconds.wall += time.perf_counter()
    seconds.cpu += time.process_time()


@contextmanager
def _timed_forward(model: Any, spent: list[float]) -> Iterator[None]:
    """Seconds of every forward pass go into `spent`."""
    started = [0.0]

    def before(*_: object) -> None:
        started[0] = time.perf_counter()

    def after(*_: object) -> None:
        spent.append(time.perf_counter() - started[0])

    hooks = [model.register_forward_pre_hook(before), model.register_forward_hook(after)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _table(found: Sequence[Figures]) -> Table:
    table = Table("case", "Cuvee", "lm-eval", "generate", "outside model", "identical", "accuracy")
    for one in found:
        table.add_row(
            one.case,
            f"{one.cuvee_items_per_s:.2f}/s",
            f"{one.lm_eval_items_per_s:.2f}/s (x{one.lm_eval_batch_size}), "
            f"{one.cuvee_items_per_s / one.lm_eval_items_per_s:.1f}x",
            f"{one.generate_items_per_s:.2f}/s (x{one.generate_batch_size}), "
            f"{one.cuvee_items_per_s / one.generate_items_per_s:.1f}x",
            f"{one.outside_model_fraction:.1%}",
            f"{one.identical_completions} + {one.near_ties} near ties of {one.items}",
            f"{one.cuvee_accuracy:.1%}, lm-eval {one.lm_eval_accuracy:.1%}",
        )
    return table


if __name__ == "__main__":
    main()
