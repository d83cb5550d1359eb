"""Fitness over trials as a small SVG, which a model card shows without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 16, 40
_POINTS = 2000


def search_figure(trials: Sequence[tuple[int, float]], lines: Mapping[str, float]) -> str:
    """Every trial's fitness by number, the best so far, and `lines` across for comparison.

    `trials` are (number, fitness) in order of numbers. Of more than 2000 trials an even sample is
    drawn as points; the best so far is drawn from all of them.
    """
    values = [fitness for _, fitness in trials] + list(lines.values())
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = (high - low) * 0.05 or 0.05
    low, high = low - margin, high + margin
    last = max((number for number, _ in trials), default=0) or 1

    def x(number: float) -> float:
        return round(_LEFT + number / last * (WIDTH - _LEFT - _RIGHT), 1)

    def y(fitness: float) -> float:
        return round(HEIGHT - _BOTTOM - (fitness - low) / (high - low) * _drawn_height(), 1)

    parts = [_axes(low, high, last)]
    for name, value in lines.items():
        parts.append(_line(x(0), x(last), y(value), name))
    for number, fitness in trials[:: max(1, len(trials) // _POINTS)]:
        parts.append(f'<circle cx="{x(number)}" cy="{y(fitness)}" r="2" fill="#8a8f98"/>')
    best = list(accumulate((fitness for _, fitness in trials), max))
    steps: list[str] = []
    for (number, _), reached, before in zip(trials, best, [None, *best], strict=False):
        if reached != before:
            steps += [f"{x(number)},{y(before if before is not None else reached)}"]
            steps += [f"{x(number)},{y(reached)}"]
    if best:
        steps.append(f"{x(last)},{y(best[-1])}")
        points = " ".join(steps)
        parts.append(f'<polyline points="{points}" fill="none" stroke="#c2410c" stroke-width="2"/>')
        parts.append(_text(x(last) + 6, y(best[-1]) - 6, "best so far", "#c2410c"))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12"><title>Fitness over trials</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def _drawn_height() -> int:
    return HEIGHT - _TOP - _BOTTOM


def _axes(low: float, high: float, last: int) -> str:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    marks = [
        f'<path d="M{_LEFT},{_TOP}V{bottom}H{right}" fill="none" stroke="#444"/>',
        _text((_LEFT + right) / 2, HEIGHT - 8, "trial", "#444"),
        _text(_LEFT, bottom + 16, "0", "#444"),
        _text(right - 20, bottom + 16, str(last), "#444"),
    ]
    for part in range(5):
        value = low + (high - low) * part / 4
        place = bottom - _drawn_height() * part / 4
        marks.append(_text(8, place + 4, f"{value:.3f}", "#444"))
    return "\n".join(marks)


def _line(left: float, right: float, at: float, name: str) -> str:
    path = f'<path d="M{left},{at}H{right}" stroke="#2563eb" stroke-dasharray="4 4"/>'
    return path + _text(right + 6, at + 4, name, "#2563eb")


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{round(x, 1)}" y="{round(y, 1)}" fill="{colour}">{escape(text)}</text>'
