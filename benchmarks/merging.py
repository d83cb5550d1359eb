"""Seconds for one child of the 135M model: mergekit's command line, mergekit in a process with its
models loaded, Cuvee, and the copying that no merge can do without.

Three children of one base, bf16 in and bf16 out, the same number of threads for all. Within a
method the peers take turns, merge by merge; figures are medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.parents import parents
from benchmarks.peer import Peer, environment
from benchmarks.process import LineProcess
from benchmarks.recipes import chosen_methods, recipe

# (times faster than mergekit in process, times the bound) that Cuvee aims at.
GOALS = {
    "linear": (3.0, 3.0),
    "task_arithmetic": (3.0, 3.0),
    "ties": (20.0, 8.0),
    "dare_ties": (20.0, 8.0),
    "della": (20.0, 8.0),
    "breadcrumbs": (20.0, 8.0),
}


def main() -> None:
    """Measure, print a table, and say which goals hold."""
    options = _options()
    console = Console(width=160)
    chosen = chosen_methods(options.methods)
    folders = [str(folder) for folder in parents(options.folder / "parents").values()]
    python = environment(options.folder / "mergekit")
    results: dict[str, dict[str, Any]] = {}
    with Peer(python, options.threads) as peer:
        for method in chosen:
            with console.status(method):
                results[method] = measure(method, folders, python, peer, options)
            _report(console, method, results[method])
    console.print(table(results))
    for line in verdicts(results):
        console.print(line)
    if options.json:
        figures = {"threads": options.threads, "repeats": options.repeats, "methods": results}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(
    method: str, folders: Sequence[str], python: Path, peer: Peer, options: argparse.Namespace
) -> dict[str, Any]:
    """All figures of one method; at every repeat all peers merge by the same new numbers."""
    base, *children = folders
    setup = {
        "method": method,
        "folders": list(folders),
        "threads": options.threads,
        "keep": str(options.folder / "statistics"),
    }
    command = [sys.executable, "-m", "benchmarks.cuvee_worker"]
    in_process, command_line = [], []
    ours: list[dict[str, Any]] = []
    eagerly: list[dict[str, Any]] = []
    peer.merge(recipe(method, base, children, 0.5).to_yaml())
    with LineProcess(command) as compiled, LineProcess(command) as eager:
        first = compiled.ask(setup | {"compiled": True})
        eager.ask(setup | {"compiled": False})
        for number in range(options.repeats):
            share = 0.3 + 0.4 * (number + 0.5) / options.repeats
            config = recipe(method, base, children, share).to_yaml()
            in_process.append(peer.merge(config))
            ours.append(compiled.ask({"share": share, "copy": True}))
            eagerly.append(eager.ask({"share": share, "copy": False}))
            if number < options.cli_repeats:
                command_line.append(_command_line(python, config, options.threads))
    return first | {
        "cuvee_s": _median(ours, "seconds"),
        "eager_s": _median(eagerly, "seconds"),
        "bound_s": _median(ours, "bound_s"),
        "mergekit_in_process_s": statistics.median(in_process),
        "mergekit_cli_s": statistics.median(command_line) if command_line else None,
        "peak_mb": max(one["peak_mb"] for one in ours),
        "eager_peak_mb": max(one["peak_mb"] for one in eagerly),
    }


def _command_line(python: Path, config: str, threads: int) -> float:
    """Seconds of a whole run of `mergekit-yaml`, which writes the child to a disk."""
    with tempfile.TemporaryDirectory(prefix="cuvee-bench-") as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(config)
        command = [python.parent / "mergekit-yaml", path, Path(folder) / "child", "--quiet"]
        started = time.perf_counter()
        subprocess.run(
            [str(one) for one in (*command, "--num-threads", threads)],
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started


def _median(answers: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(one[key] for one in answers))


def table(results: dict[str, dict[str, Any]]) -> Table:
    """Seconds, ratios and memory."""
    made = Table(
        "method",
        "mergekit CLI s",
        "in process s",
        "Cuvee s",
        "eager s",
        "bound s",
        "faster than in process",
        "of the bound",
        "first s",
        "peak MB",
        "of a model",
    )
    for method, row in results.items():
        cli = row["mergekit_cli_s"]
        made.add_row(
            method,
            "" if cli is None else f"{cli:.1f}",
            f"{row['mergekit_in_process_s']:.2f}",
            f"{row['cuvee_s']:.3f}",
            f"{row['eager_s']:.3f}",
            f"{row['bound_s']:.3f}",
            f"{faster(row):.0f}x",
            f"{of_bound(row):.1f}x",
            f"{row['first_s']:.1f}",
            f"{row['peak_mb']:.0f}",
            f"{row['peak_mb'] / row['resident_mb']:.2f}x",
        )
    return made


def verdicts(results: dict[str, dict[str, Any]]) -> list[str]:
    """For every goal whether it holds."""
    lines = []
    for method, (wanted, bound) in GOALS.items():
        if method in results:
            row = results[method]
            held = faster(row) >= wanted and of_bound(row) <= bound
            against = f"{faster(row):.0f}x faster than mergekit in process (goal {wanted:g}x)"
            copying = f"{of_bound(row):.1f}x the bound (goal {bound:g}x)"
            lines.append(f"{'holds ' if held else 'MISSED'} {method}: {against}, {copying}")
    return lines


def faster(row: dict[str, Any]) -> float:
    """How many times as long mergekit takes in process."""
    ratio: float = row["mergekit_in_process_s"] / row["cuvee_s"]
    return ratio


def of_bound(row: dict[str, Any]) -> float:
    """How many times as long as copying Cuvee takes."""
    ratio: float = row["cuvee_s"] / row["bound_s"]
    return ratio


def _report(console: Console, method: str, row: dict[str, Any]) -> None:
    console.print(f"{method}: {row['cuvee_s']:.3f} s, {faster(row):.0f}x, {of_bound(row):.1f}x")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--methods", help="only these, separated by commas")
    parser.add_argument("--repeats", type=int, default=5, help="merges timed (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="for all peers (%(default)s)")
    parser.add_argument(
        "--cli-repeats", type=int, default=5, help="runs of the command line (%(default)s)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".bench"),
        help="for mergekit's environment, the models and statistics (%(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
