"""One recipe, run by mergekit and by Cuvee, gives one child.

Methods without random numbers: at least 99.99 % of a child's entries lie within 2 bf16 ulps of the
largest term that they are made of. Entries that arithmetic leaves open are counted apart: those of
a delta whose magnitude equals the threshold of a trim (which of equal ones are kept is nobody's
rule), and those whose signed sum is next to 0 in an election (rounding decides the sign).

Random methods cannot agree entry by entry. For every tensor, the means of the change and of its
square over 30 seeds must not differ by more than sampling explains (Welch's test, with the level
of 0.1 % shared by all tests).
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

import zoo
from benchmarks.parents import parents as large_parents
from benchmarks.peer import Peer, environment
from benchmarks.recipes import RANDOM, SHARED, recipe
from merging.catalogue import methods
from merging.engine import MergeEngine
from merging.recipe import Recipe

ZOO = Path(zoo.__file__).parent
AGREE = 0.9999
ULPS = 2.0
SEEDS = 30
LEVEL = 0.001

# What each method is run with, beside its defaults.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "linear": [{"normalize": False}],
    "task_arithmetic": [{"normalize": True}, {"lambda": 0.7}],
    "ties": [{"normalize": False}, {"rescale": True}, {"lambda": 1.5}],
    "breadcrumbs": [{"normalize": True}, {"rescale": True}],
    "breadcrumbs_ties": [{"normalize": True}],
    "nuslerp": [{"nuslerp_flatten": False}, {"nuslerp_flatten": False, "nuslerp_row_wise": True}],
    "multislerp": [{"normalize_weights": False}],
    "model_stock": [{"filter_wise": True}],
}


@dataclass(frozen=True)
class Agreement:
    """One recipe's child, compared. `open` entries are those that arithmetic leaves open."""

    method: str
    settings: str
    share: float
    entries: int
    open: int
    off: int
    worst_ulps: float
    worst_tensor: str

    @property
    def holds(self) -> bool:
        """Whether enough of the entries agree."""
        return self.off <= (1 - AGREE) * self.entries


@dataclass(frozen=True)
class Likeness:
    """A random method's largest test statistic over tensors, and its limit."""

    method: str
    tensors: int
    worst_mean: float
    worst_square: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether sampling explains what differs."""
        return max(self.worst_mean, self.worst_square) <= self.limit


def main() -> None:
    """Compare, print, and exit with 1 where something does not agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--methods", help="only these, separated by commas")
    parser.add_argument("--large", action="store_true", help="the 135M model, not the zoo")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".bench"),
        help="for mergekit's environment and models (%(default)s)",
    )
    options = parser.parse_args()
    chosen = options.methods.split(",") if options.methods else list(SHARED)
    folders = (
        list(large_parents(options.folder / "parents").values())
        if options.large
        else [ZOO / name for name in ("base", "maths", "ja", "distractor")]
    )
    console = Console(width=140)
    exact: list[Agreement] = []
    random: list[Likeness] = []
    with Peer(environment(options.folder / "mergekit"), threads=2) as peer:
        engine = MergeEngine({str(one): one for one in folders})
        for method in chosen:
            if method not in methods():
                continue
            if method in RANDOM:
                random.append(alike(method, folders, engine, peer))
            else:
                for one in agreements(method, folders, engine, peer):
                    exact.append(one)
                    console.print(f"{method} {one.settings or 'defaults'}: {one.off} off")
    console.print(_exact_table(exact))
    console.print(_random_table(random))
    if options.json:
        rows = {
            "exact": [asdict(one) for one in exact],
            "random": [asdict(one) for one in random],
        }
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    if not all(one.holds for one in exact) or not all(one.holds for one in random):
        raise SystemExit(1)


def agreements(
    method: str, folders: list[Path], engine: MergeEngine, peer: Peer
) -> Iterator[Agreement]:
    """The method at its defaults and at its settings, for two sets of numbers."""
    base, *children = [str(one) for one in folders]
    for settings in ({}, *SETTINGS.get(method, [])):
        for share in (0.35, 0.8):
            asked = recipe(method, base, children, share, **settings)
            asked = asked.model_copy(update={"dtype": "float32"})
            yield _agreement(asked, share, settings, engine, peer)


def _agreement(
    asked: Recipe, share: float, settings: Mapping[str, Any], engine: MergeEngine, peer: Peer
) -> Agreement:
    theirs, ours = _both(asked, engine, peer)
    entries = opened = off = 0
    worst, where = 0.0, ""
    for name, tensor in ours.items():
        terms = [engine.parents[one].tensor(name).float() for one in asked.model_names()]
        largest = torch.stack([*terms, tensor, theirs[name]]).abs().amax(dim=0)
        ulps = (tensor - theirs[name]).abs() / bf16_ulp(largest)
        ambiguous = left_open(asked, name, engine)
        different = (ulps > ULPS) & ~ambiguous
        entries += tensor.numel()
        opened += int(((ulps > ULPS) & ambiguous).sum())
        off += int(different.sum())
        most = float(ulps.masked_fill(ambiguous, 0).max())
        if most > worst:
            worst, where = most, name
    written = ", ".join(f"{key} {value}" for key, value in settings.items())
    return Agreement(asked.merge_method, written, share, entries, opened, off, worst, where)


def bf16_ulp(values: Tensor) -> Tensor:
    """The distance between neighbouring bf16 numbers at each magnitude (8 bits of precision)."""
    exponent = torch.frexp(values.abs().clamp(min=torch.finfo(torch.bfloat16).tiny)).exponent
    return torch.ldexp(torch.ones_like(values), exponent - 8)


def left_open(asked: Recipe, name: str, engine: MergeEngine) -> Tensor:
    """The entries of a tensor for which arithmetic does not say what comes out."""
    first = engine.parents[asked.model_names()[0]].tensor(name)
    opened = torch.zeros(first.shape, dtype=torch.bool)
    if asked.merge_method not in ("ties", "breadcrumbs", "breadcrumbs_ties", "sce"):
        return opened
    assert asked.base_model is not None
    base = engine.parents[asked.base_model].tensor(name).float()
    total, largest = torch.zeros_like(base), torch.zeros_like(base)
    for entry in asked.models or ():
        delta = engine.parents[entry.model].tensor(name).float() - base
        sizes = delta.abs()
        weighted = delta * float(entry.parameters.get("weight", 1.0))  # type: ignore[arg-type]
        total += weighted
        largest = torch.maximum(largest, weighted.abs())
        density = entry.parameters.get("density")
        if isinstance(density, float):
            for cut in _cuts(asked.merge_method, density, sizes.numel()):
                opened |= sizes == sizes.flatten().kthvalue(cut).values
    return opened | (total.abs() < 1e-6 * largest)


def _cuts(method: str, density: float, count: int) -> list[int]:
    """Ranks, from 1 for the smallest, of the entries at which a trim begins or ends."""
    keep = max(1, int(density * count))
    skip = 0 if method == "ties" else min(int(0.01 * count), count - keep)
    ranks = (count - skip - keep, count - skip - keep + 1, count - skip, count - skip + 1)
    return [rank for rank in ranks if 1 <= rank <= count]


def alike(method: str, folders: list[Path], engine: MergeEngine, peer: Peer) -> Likeness:
    """A random method's children over many seeds."""
    base, *children = [str(one) for one in folders]
    names = [name for name, _ in engine.model.named_parameters()]
    sums: dict[str, list[list[tuple[float, float]]]] = {name: [[], []] for name in names}
    for seed in range(SEEDS):
        # mergekit scales to the old L1 norm, which is an option here.
        asked = recipe(method, base, children, 0.5, random_seed=seed, rescale_l1=True)
        asked = asked.model_copy(update={"dtype": "float32"})
        for number, child in enumerate(_both(asked, engine, peer, seed)):
            for name in names:
                change = child[name].double() - engine.parents[base].tensor(name).double()
                moments = (float(change.mean()), float(change.square().mean()))
                sums[name][number].append(moments)
    statistics = [
        [_welch([row[place] for row in one], [row[place] for row in other]) for place in (0, 1)]
        for one, other in sums.values()
    ]
    limit = NormalDist().inv_cdf(1 - LEVEL / (2 * 2 * len(names) * len(RANDOM)))
    worst = [max(row[place] for row in statistics) for place in (0, 1)]
    return Likeness(method, len(names), worst[0], worst[1], limit)


def _welch(one: list[float], other: list[float]) -> float:
    """The size of Welch's statistic; 0 for two samples that do not vary and are equal."""
    means, spreads = [], []
    for sample in (one, other):
        mean = math.fsum(sample) / len(sample)
        means.append(mean)
        spread = math.fsum((value - mean) ** 2 for value in sample)
        spreads.append(spread / (len(sample) - 1) / len(sample))
    difference = abs(means[0] - means[1])
    # What differs by rounding alone does not differ.
    if difference <= 1e-6 * abs(means[0]):
        return 0.0
    return difference / math.sqrt(sum(spreads)) if sum(spreads) else math.inf


def _both(
    asked: Recipe, engine: MergeEngine, peer: Peer, seed: int = 0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The child's tensors, mergekit's and ours."""
    with tempfile.TemporaryDirectory(prefix="cuvee-bench-") as folder:
        out = Path(folder) / "child.safetensors"
        peer.merge(asked.to_yaml(), out=out, seed=seed)
        theirs = load_file(out)
    ours = {name: one.float().clone() for name, one in engine.merge(asked).named_parameters()}
    return {name: theirs[name].float() for name in ours}, ours


def _exact_table(rows: list[Agreement]) -> Table:
    made = Table(
        "method", "settings", "share", "entries", "open", "off", "worst, ulps", "", "agrees"
    )
    for one in rows:
        made.add_row(
            one.method,
            one.settings,
            f"{one.share:g}",
            str(one.entries),
            str(one.open),
            str(one.off),
            f"{one.worst_ulps:.3f}",
            one.worst_tensor,
            "yes" if one.holds else "NO",
        )
    return made


def _random_table(rows: list[Likeness]) -> Table:
    made = Table("method", "tensors", "worst mean, z", "worst square, z", "limit", "agrees")
    for one in rows:
        cells = (f"{one.worst_mean:.2f}", f"{one.worst_square:.2f}", f"{one.limit:.2f}")
        made.add_row(one.method, str(one.tensors), *cells, "yes" if one.holds else "NO")
    return made


if __name__ == "__main__":
    main()
