"""Published benchmarks, read from the operator's tasks folder: what there is, and loading it.

Nothing of them is shipped. A benchmark is listed where its files are, and asking for one whose
files are not says where they are expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evaluators.cards import EXACT_MATCH, TARGET_BITS_PER_CHAR, TaskCard
from evaluators.errors import TaskDataError
from evaluators.gsm8k import SHOTS, read_gsm8k, read_gsm8k_mgsm, read_mgsm
from evaluators.language import LANGUAGES
from evaluators.perturbation import VARIANTS, read_gsm8k_perturbed
from evaluators.task import SPLITS, Task

_SOLVED = (EXACT_MATCH, TARGET_BITS_PER_CHAR)
GSM8K_LICENCE = "MIT (GSM8K, OpenAI)"
MGSM_LICENCE = "CC-BY-4.0 (MGSM, Google Research)"


@dataclass(frozen=True)
class Published:
    """A benchmark. `files` must be in the tasks folder; `counted` says that reading it is quick."""

    name: str
    summary: str
    languages: tuple[str, ...]
    licence: str
    files: tuple[str, ...]
    read: Callable[[Path], Task]
    counted: bool = True
    metrics: tuple[str, ...] = (EXACT_MATCH,)


def published_cards(tasks_dir: Path) -> Iterable[TaskCard]:
    """Cards of the benchmarks whose files are there; one that cannot be read says why."""
    for benchmark in PUBLISHED.values():
        if any(not (tasks_dir / file).is_file() for file in benchmark.files):
            continue
        splits = None
        summary = benchmark.summary
        if benchmark.counted:
            try:
                task = benchmark.read(tasks_dir)
                splits = {split: len(task.items(split)) for split in SPLITS}
            except TaskDataError as error:
                summary = f"Cannot be read: {error}"
        yield TaskCard(
            benchmark.name,
            summary,
            benchmark.languages,
            benchmark.licence,
            splits,
            benchmark.metrics,
        )


def overlap(names: Iterable[str]) -> tuple[str, str] | None:
    """Two benchmarks of which one searches on items that the other holds out; None without such.

    MGSM by itself is cut in three, and all of it is held out wherever GSM8K is searched on.
    """
    listed = list(names)
    whole = [name for name in listed if name in PUBLISHED and name.startswith("gsm8k")]
    parts = [name for name in listed if name in PUBLISHED and name.startswith("mgsm")]
    return (parts[0], whole[0]) if parts and whole else None


def load_published(name: str, tasks_dir: Path | None) -> Task:
    """A benchmark's task.

    Raises TaskDataError where a file is missing (it says where it is expected) or broken, KeyError
    for a name that isn't in `PUBLISHED`.
    """
    benchmark = PUBLISHED[name]
    if tasks_dir is None:
        raise TaskDataError(
            f"{name} reads {' and '.join(benchmark.files)} of the tasks folder, and none is set"
        )
    for file in benchmark.files:
        if not (tasks_dir / file).is_file():
            raise TaskDataError(f"{name} reads {tasks_dir / file}, and there is no such file")
    return benchmark.read(tasks_dir)


def _benchmarks() -> Iterable[Published]:
    test, train = "gsm8k/test.jsonl", "gsm8k/train.jsonl"
    yield Published(
        "gsm8k",
        "GSM8K: grade-school word problems in English, without examples",
        ("en",),
        GSM8K_LICENCE,
        (test,),
        read_gsm8k,
        metrics=_SOLVED,
    )
    for shots in SHOTS:
        yield Published(
            f"gsm8k_{shots}shot",
            f"GSM8K after {shots} worked examples of its training set",
            ("en",),
            GSM8K_LICENCE,
            (test, train),
            partial(read_gsm8k, shots=shots),
            metrics=_SOLVED,
        )
    yield Published(
        "gsm8k_perturbed",
        f"GSM8K with other numbers, {VARIANTS} variants of each item that can be changed safely",
        ("en",),
        GSM8K_LICENCE,
        (test,),
        read_gsm8k_perturbed,
        counted=False,
    )
    for language in LANGUAGES:
        translated = f"mgsm/mgsm_{language}.tsv"
        yield Published(
            f"mgsm_{language}",
            f"MGSM: 250 items of GSM8K, asked and answered in {_SPOKEN[language]}",
            (language,),
            MGSM_LICENCE,
            (translated,),
            partial(read_mgsm, language=language),
        )
        yield Published(
            f"gsm8k_mgsm_{language}",
            f"Search on GSM8K from item 250, holdout on MGSM; answers in {_SPOKEN[language]}",
            (language,),
            f"{GSM8K_LICENCE}; {MGSM_LICENCE}",
            (test, translated),
            partial(read_gsm8k_mgsm, language=language),
        )


_SPOKEN = {
    "bn": "Bengali",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "ja": "Japanese",
    "ru": "Russian",
    "sw": "Swahili",
    "te": "Telugu",
    "th": "Thai",
    "zh": "Chinese",
}
PUBLISHED: Mapping[str, Published] = {benchmark.name: benchmark for benchmark in _benchmarks()}
