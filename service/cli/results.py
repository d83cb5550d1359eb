"""A job's result in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from service.results.schemas import Contender, ResultView

_SMALLEST_SHOWN = 0.0001


def holdout_table(result: ResultView, task: str) -> Table:
    """Winner, parents, averages and the best grid point on holdout, with 95 % intervals and the p
    value of McNemar's test of the winner against each.

    Of the uniform-weight grid only the point that did best on holdout is shown: choosing it there
    favours the grid, never the winner.
    """
    headings = ("", "accuracy", "95 % interval", "n", "p against the child")
    table = Table(*headings, title=f"{task}, holdout")
    for label, entry in _rows(result, task):
        if task not in entry.accuracies:
            table.add_row(label, "failed", entry.reason or "", "", "")
            continue
        score = entry.accuracies[task]
        interval = f"{score.low:.1%} – {score.high:.1%}"
        against = entry.against_winner.get(task)
        style = "bold green" if against is None else None
        p = "" if against is None else _p(against.p)
        table.add_row(label, f"{score.accuracy:.1%}", interval, str(score.n), p, style=style)
    return table


def remarks(result: ResultView) -> list[str]:
    """What a reader of the table should know besides: optimism, and earlier looks."""
    lines = []
    for finalist in result.finalists:
        if finalist.trial == result.winner and finalist.optimism is not None:
            lines.append(
                f"optimism: the winner's fitness is {finalist.search:.1%} on the search's items, "
                f"{finalist.select:.1%} on select and {finalist.holdout:.1%} on holdout"
            )
    return lines + result.warnings


def best_of_grid(result: ResultView, task: str) -> Contender | None:
    """The point of the uniform-weight grid with the highest accuracy, if there is a grid."""
    grid = [entry for entry in result.holdout if entry.kind == "grid" and task in entry.accuracies]
    return max(grid, key=lambda entry: entry.accuracies[task].accuracy, default=None)


def _rows(result: ResultView, task: str) -> Iterator[tuple[str, Contender]]:
    """Parents, averages, the best grid point, earlier winners, and the winner last."""
    for kind in ("parent", "average"):
        for entry in result.holdout:
            if entry.kind == kind:
                yield f"{kind} {entry.name}", entry
    if grid := best_of_grid(result, task):
        yield f"best uniform weights ({grid.name})", grid
    children = [entry for entry in result.holdout if entry.kind == "trial"]
    for entry in reversed(children):
        best = int(entry.label) == result.winner
        yield f"{'best child' if best else 'earlier winner'} ({entry.name})", entry


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= _SMALLEST_SHOWN else f"< {_SMALLEST_SHOWN}"
