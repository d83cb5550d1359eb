"""Seconds for one child of the 135M model: mergekit's command line, mergekit in a process with its
models loaded, Cuvee, and the copying that no merge can do without.

Three children of one base, bf16 in and bf16 out, the same number of threads for all. Within a
method the peers take turns; figures are medians.
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
from benchmarks.recipes import SHARED, recipe
from merging.catalogue import methods

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
    chosen = options.methods.split(",") if options.methods else _common()
    folders = parents(options.folder / "parents")
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
    method: str, folders: dict[str, Path], python: Path, peer: Peer, options: argparse.Namespace
) -> dict[str, Any]:
    """All figures of one method."""
    base, *children = [str(folder) for folder in folders.values()]
    shares = [0.3 + 0.4 * (number + 0.5) / options.repeats for number in range(options.repeats)]
    configs = [recipe(method, base, children, share).to_yaml() for share in shares]
    peer.merge(configs[0])
    peer_seconds = [peer.merge(config) for config in configs]
    compiled = _cuvee(method, folders, options, compiled=True)
    eager = _cuvee(method, folders, options, compiled=False)
    return compiled | {
        "eager_s": eager["cuvee_s"],
        "eager_peak_mb": eager["peak_mb"],
        "mergekit_in_process_s": statistics.median(peer_seconds),
        "mergekit_cli_s": _command_line(python, configs[: options.cli_repeats], options.threads),
    }


def _cuvee(
    method: str, folders: dict[str, Path], options: argparse.Namespace, *, compiled: bool
) -> dict[str, Any]:
    request = {
        "method": method,
        "folders": {name: str(folder) for name, folder in folders.items()},
        "threads": options.threads,
        "repeats": options.repeats,
        "compiled": compiled,
        "keep": str(options.folder / "statistics"),
    }
    command = [sys.executable, "-m", "benchmarks.cuvee_worker"]
    done = subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{method}: {done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _command_line(python: Path, configs: Sequence[str], threads: int) -> float | None:
    """The median of whole runs of `mergekit-yaml`, writing the child to a disk."""
    seconds = []
    for config in configs:
        with tempfile.TemporaryDirectory(prefix="cuvee-bench-") as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(config)
            command: list[str | Path] = [
                python.parent / "mergekit-yaml",
                path,
                Path(folder) / "child",
                "--quiet",
            ]
            started = time.perf_counter()
            subprocess.run(
                [*command, "--num-threads", str(threads)], check=True, capture_output=True
            )
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) if seconds else None


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


def _common() -> list[str]:
    return [name for name in SHARED if name in methods()]


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
