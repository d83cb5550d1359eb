"""One recipe, run by mergekit and by Cuvee, gives one child.

Methods without random numbers: at least 99.99 % of a child's entries lie within 2 bf16 ulps of the
largest term that they are made of (`benchmarks.agreement`). Random methods: over 30 seeds, every
tensor's mean and variance agree within sampling error (`benchmarks.likeness`). Where Cuvee means to
differ is a table (`benchmarks.cases`). Exits with 1 where anything else differs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

import zoo
from benchmarks.agreement import Agreement, agreement
from benchmarks.cases import DIFFERENCES, Case, cases, intended
from benchmarks.likeness import SEEDS, Likeness, likeness, statistics_of
from benchmarks.parents import parents as large_parents
from benchmarks.peer import Peer, environment
from benchmarks.recipes import RANDOM, chosen_methods, recipe
from merging.engine import MergeEngine
from merging.errors import MergingError
from merging.recipe import Recipe

ZOO = Path(zoo.__file__).parent


@dataclass(frozen=True)
class Row:
    """One case of one method. `difference` is the reason if it is meant to differ; `refused` is
    what was said where one of the two made no child."""

    method: str
    settings: str
    found: Agreement | None
    difference: str | None = None
    refused: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the goal is reached, or meant to be missed."""
        return self.found is not None and (self.found.holds or self.difference is not None)


def main() -> None:
    """Compare, print, and exit with 1 where something does not agree."""
    options = _options()
    chosen = chosen_methods(options.methods)
    console = Console(width=150)
    small = [str(ZOO / name) for name in ("base", "maths", "ja", "distractor")]
    folders = small
    if options.large:
        folders = [str(one) for one in large_parents(options.folder / "parents").values()]
    rows: list[Row] = []
    alike: dict[str, Likeness] = {}
    with Peer(environment(options.folder / "mergekit"), threads=options.threads) as peer:
        torch.set_num_threads(options.threads)
        engine = MergeEngine({one: Path(one) for one in folders})
        for method in (one for one in chosen if one not in RANDOM):
            for case in cases(method):
                if options.case not in (None, case.settings):
                    continue
                rows.append(_compare(method, case, folders, engine, peer))
                console.print(f"{method}, {case.settings}: {_outcome(rows[-1])}")
        random = [one for one in chosen if one in RANDOM and options.case is None]
        # Many children are held at once: always of the small models.
        engine = MergeEngine({one: Path(one) for one in small})
        for method in random:
            statistics = _random_statistics(method, small, engine, peer)
            alike[method] = likeness(statistics, runs=len(RANDOM))
            console.print(f"{method}, {SEEDS} seeds: {'alike' if alike[method].holds else 'OFF'}")
    for table in (exact_table(rows), random_table(alike), differences_table()):
        console.print(table)
    if options.json:
        figures = {
            "exact": [asdict(one) | {"holds": one.holds} for one in rows],
            "random": {name: asdict(one) | {"holds": one.holds} for name, one in alike.items()},
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if not (all(one.holds for one in rows) and all(one.holds for one in alike.values())):
        raise SystemExit(1)


def asked(method: str, case: Case, folders: Sequence[str], layers: int) -> Recipe:
    """The recipe of a case; the first of `folders` is the base."""
    base, *children = folders
    if case.stack:
        spans = ((children[0], [0, layers - 1]), (children[1], [1, layers]))
        slices = [{"sources": [{"model": model, "layer_range": span}]} for model, span in spans]
        return Recipe.parse({"merge_method": method, "slices": slices, "dtype": case.dtype})
    return recipe(
        method,
        base,
        children,
        case.share,
        with_base=case.with_base,
        layers=layers if case.in_slices else None,
        dtype=case.dtype,
        parameters=case.parameters,
        of_parents=case.of_parents,
    )


def _compare(
    method: str, case: Case, folders: Sequence[str], engine: MergeEngine, peer: Peer
) -> Row:
    parents = engine.parents
    wanted = asked(method, case, folders, parents[folders[0]].info.num_layers)
    large = sum(one.numel() for one in engine.model.parameters()) > 10**7
    difference = intended(method, case.settings, large=large)
    reason = None if difference is None else difference.reason
    try:
        theirs, ours = _both(wanted, engine, peer)
    except (MergingError, RuntimeError, ValueError) as error:
        return Row(method, case.settings, None, reason, f"{type(error).__name__}: {error}")
    return Row(method, case.settings, agreement(wanted, ours, theirs, parents), reason)


def _random_statistics(
    method: str, folders: Sequence[str], engine: MergeEngine, peer: Peer
) -> list[list[float]]:
    base, *children = folders
    ours: dict[str, list[Tensor]] = {}
    theirs: dict[str, list[Tensor]] = {}
    for seed in range(SEEDS):
        # mergekit scales to the old L1 norm, which is an option here.
        numbers = {"random_seed": seed, "rescale_l1": True}
        wanted = recipe(method, base, children, 0.5, dtype="float32", parameters=numbers)
        for kept, child in zip((theirs, ours), _both(wanted, engine, peer, seed), strict=True):
            for name, tensor in child.items():
                kept.setdefault(name, []).append(tensor)
    models = [engine.parents[one] for one in folders]
    return [
        statistics_of(
            torch.stack(ours[name]),
            torch.stack(theirs[name]),
            models[0].tensor(name),
            [one.tensor(name) for one in models[1:]],
        )
        for name in theirs
    ]


def _both(
    wanted: Recipe, engine: MergeEngine, peer: Peer, seed: int = 0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The child's tensors by name, mergekit's and ours; raises ValueError if they are not the
    same tensors."""
    with tempfile.TemporaryDirectory(prefix="cuvee-bench-") as folder:
        out = Path(folder) / "child.safetensors"
        peer.merge(wanted.to_yaml(), out=out, seed=seed)
        theirs = load_file(out)
    model = engine.merge(wanted)
    state: Mapping[str, Tensor] = model.state_dict()
    known = {state[name].data_ptr() for name in theirs if name in state}
    alone = [name for name, one in state.items() if name not in theirs]
    if any(state[name].data_ptr() not in known for name in alone) or theirs.keys() - state.keys():
        raise ValueError(f"other tensors: {sorted(theirs.keys() ^ state.keys())[:3]}")
    return theirs, {name: state[name].clone() for name in theirs}


def exact_table(rows: Sequence[Row]) -> Table:
    """Every case, and what was found."""
    made = Table(
        "method", "case", "entries", "at a threshold", "zero sums", "off", "worst, ulps", "agrees"
    )
    for one in rows:
        figures = [""] * 5
        if one.found is not None:
            found = one.found
            counts = (found.entries, found.at_threshold, found.zero_sums, found.off)
            figures = [*map(str, counts), f"{found.worst_ulps:.3f}"]
        made.add_row(one.method, one.settings, *figures, _outcome(one))
    return made


def random_table(rows: Mapping[str, Likeness]) -> Table:
    """Every random method's largest statistics."""
    made = Table("method", "tensors", "worst mean, t", "worst variance, t", "limit", "agrees")
    for method, one in rows.items():
        cells = [f"{value:.2f}" for value in (one.worst_mean, one.worst_variance, one.limit)]
        made.add_row(method, str(one.tensors), *cells, "yes" if one.holds else "NO")
    return made


def differences_table() -> Table:
    """Where Cuvee means to differ."""
    made = Table("methods", "what", "how, and why")
    for one in DIFFERENCES:
        made.add_row(", ".join(one.methods) or "all", one.what, one.reason)
    return made


def _outcome(row: Row) -> str:
    if row.refused is not None:
        return f"NO: {row.refused}"
    if row.found is not None and row.found.holds:
        return "yes"
    return "differs as meant" if row.holds else "NO"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--methods", help="only these, separated by commas")
    parser.add_argument("--case", help="only the case of this name, of methods without random ones")
    parser.add_argument(
        "--large",
        action="store_true",
        help="the 135M model in bf16, not the bundled models (random methods stay with these)",
    )
    parser.add_argument("--threads", type=int, default=2, help="for both (%(default)s)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".bench"),
        help="for mergekit's environment and models (%(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
