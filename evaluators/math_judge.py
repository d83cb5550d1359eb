"""The process that compares mathematical expressions: `python -m evaluators.math_judge`.

One JSON object a line in, one out: `{"reference": LaTeX, "text": completion}` gives `{"answer":
spelling or null, "correct": true or false}`. "ready" is written once the libraries are loaded.
math-verify limits its time by a signal, which only a process's main thread may set: hence a process
of its own. It ends when its input does.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import sympy
from math_verify import parse, verify

STEP_SECONDS = 5
MEMORY_BYTES = 4 << 30


def judge(reference: str, text: str) -> tuple[str | None, bool]:
    """The answer that a completion ends with, and whether it is the reference's."""
    found = parse(text, parsing_timeout=STEP_SECONDS)
    if not found:
        return None, False
    gold = parse(f"\\boxed{{{reference}}}", parsing_timeout=STEP_SECONDS)
    return spelling(found), bool(verify(gold, found, timeout_seconds=STEP_SECONDS))


def spelling(found: list[Any]) -> str:
    """A text that equal numbers share; other expressions as they are written."""
    expression = found[0]
    if isinstance(expression, sympy.Expr) and expression.is_Number:
        return str(sympy.nsimplify(expression, rational=True))
    return str(expression)


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    _write("ready")
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer, correct = judge(question["reference"], question["text"])
        except (MemoryError, RecursionError, OverflowError):
            answer, correct = None, False
        _write({"answer": answer, "correct": correct})


def _write(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
