"""The sandbox: what a program comes to, and what it can never do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluators import sandbox as module
from evaluators.errors import SandboxMissing
from evaluators.sandbox import FAILURES, Failure, Limits, Sandbox, available


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(seconds=0.5)) as one:
        yield one


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("def solution():\n    a = 5\n    return a * 3", "15"),
        ("def solution():\n    return 1\nprint(7)\n8", "1"),
        ("x = 2\nx + 1", "3"),
        ("print('first')\nprint('so', 5)\n", "so 5"),
        ("def main():\n    print(3)\nif __name__ == '__main__':\n    main()", "3"),
        ("def solution():\n    print(4)", "4"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("(1, [2])", "(1, [2])"),
        ("def f():\n    return 6\n", None),
        ("f'{7:.2f}'", "7.00"),
    ],
)
def test_what_a_program_comes_to(sandbox: Sandbox, code: str, value: str | None) -> None:
    assert sandbox.run(code).value == value


def test_an_expression_is_asked_after_the_program(sandbox: Sandbox) -> None:
    code = "def solution():\n    return 4\ndef verify(answer):\n    return answer == 4"
    assert sandbox.run(code, "verify(solution())").value == "True"
    assert sandbox.run(code, "verify(5)").value == "False"


HOSTILE: list[tuple[Failure, str]] = [
    ("timeout", "while True:\n    pass"),
    (
        "timeout",
        "while True:\n    try:\n        while True:\n            pass\n    except:\n        1",
    ),
    ("timeout", "sum(range(10**12))"),
    ("memory", "[0] * 10**10"),
    ("memory", "'a' * 10**11"),
    ("memory", "2**10**10"),
    ("memory", "text = 'a'\nwhile True:\n    text += text"),
    ("memory", "import math\nmath.factorial(10**8)"),
    ("recursion", "def f(n):\n    return f(n + 1)\nf(0)"),
    ("output_too_long", "while True:\n    print('again and again')"),
    ("output_too_long", "10**5000"),
    ("output_too_long", "list(range(10_000))"),
    ("output_too_long", "'a' * 20_000"),
    ("syntax", "def ("),
    ("syntax", "(" * 100_000 + "1" + ")" * 100_000),
    ("syntax", "The answer is 5."),
    ("refused", "open('/etc/passwd').read()"),
    ("refused", "open('left_behind', 'w').write('x')"),
    ("refused", "import os\nos.environ['HOME']"),
    ("refused", "import os\nos.getenv('HOME')"),
    ("refused", "import pathlib\npathlib.Path('/').iterdir()"),
    ("unsupported", "import os\nwhile True:\n    os.fork()"),
    ("unsupported", "import os\nos.system('ls')"),
    ("unsupported", "import subprocess\nsubprocess.run(['ls'])"),
    ("unsupported", "import socket\nsocket.socket()"),
    ("unsupported", "import urllib.request"),
    ("unsupported", "import ctypes"),
    ("unsupported", "import threading"),
    ("exception", "().__class__.__mro__[1].__subclasses__()"),
    ("exception", "(lambda: 0).__globals__"),
    ("exception", "__import__('os').system('id')"),
    ("exception", "1 / 0"),
    ("exception", "raise SystemExit"),
    ("exception", "input()"),
    ("exception", "def solution(a, b):\n    return a + b"),
    ("no_value", "x = 1"),
    ("no_value", ""),
    ("no_value", "class A:\n    pass\nA()"),
    ("no_value", "def solution():\n    return ''"),
]


@pytest.mark.parametrize(("failure", "code"), HOSTILE)
def test_a_program_that_fails_is_named_and_the_next_one_runs(
    sandbox: Sandbox, failure: Failure, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = sandbox.run(code)
    assert (outcome.value, outcome.failure) == (None, failure), outcome.detail
    assert len(outcome.detail) <= 200
    assert list(tmp_path.iterdir()) == []
    assert sandbox.run("6 * 7").value == "42"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import math\nmath.comb(5, 2) + math.lcm(4, 6)", "22"),
        ("from math import gcd, sqrt, ceil, floor, pi, factorial, prod\ngcd(4, 6)", "2"),
        ("from collections import Counter\nCounter('aab').most_common(1)[0][0]", "a"),
        ("from collections import defaultdict\nd = defaultdict(int)\nd[1] += 1\nd[1]", "1"),
        ("from collections import deque, namedtuple\nlen(deque([1, 2]))", "2"),
        ("from itertools import combinations\nlen(list(combinations(range(5), 2)))", "10"),
        ("from itertools import permutations, product\nlen(list(permutations(range(4))))", "24"),
        ("from functools import reduce\nreduce(lambda a, b: a * b, [2, 3])", "6"),
        (
            "from datetime import datetime, timedelta\n"
            "(datetime(2020, 1, 1) + timedelta(days=1)).strftime('%m/%d/%Y')",
            "01/02/2020",
        ),
        ("import re\nre.findall(r'\\d+', 'a1b22')[-1]", "22"),
        ("from decimal import Decimal\nDecimal('1.10') + 1", "2.10"),
        ("import random\nrandom.seed(1)\n1 <= random.randint(1, 6) <= 6", "True"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nA(1).x", "1"),
        ("match (1, 2):\n    case (a, b):\n        y = b\ny", "2"),
        ("import sympy", None),
        ("import numpy as np", None),
        ("from fractions import Fraction", None),
        ("import statistics", None),
        ("import heapq", None),
        ("from dateutil.relativedelta import relativedelta", None),
        ("def g():\n    yield 1\nlist(g())", None),
        ("class A:\n    pass\nclass B(A):\n    pass\n1", None),
        ("x = [1]\ndel x[0]\n1", None),
    ],
)
def test_what_published_programs_use(sandbox: Sandbox, code: str, value: str | None) -> None:
    outcome = sandbox.run(code)
    assert (outcome.value, outcome.failure) == (value, None if value else "unsupported")


def test_every_failure_but_a_crash_is_tested() -> None:
    assert {failure for failure, _ in HOSTILE} == {*FAILURES} - {"crashed"}


@pytest.mark.parametrize("levels", [1000, 100_000])
def test_deeply_nested_values_are_no_danger(sandbox: Sandbox, levels: int) -> None:
    code = f"a = []\nfor _ in range({levels}):\n    a = [a]\na"
    outcome = sandbox.run(code)
    assert outcome.value is not None or outcome.failure in ("output_too_long", "memory", "crashed")
    assert sandbox.run("1").value == "1"


def test_programs_know_nothing_of_each_other(sandbox: Sandbox) -> None:
    sandbox.run("secret = 5\nimport math\nmath.pi = 3")
    assert sandbox.run("secret").failure == "exception"
    assert sandbox.run("import math\nmath.pi > 3.1").value == "True"


@pytest.mark.parametrize(
    "code",
    [
        "import random\n[random.random() for _ in range(3)]",
        "import random\nrandom.Random().random()",
        "from datetime import datetime\ndatetime.now().isoformat()",
        "import time\ntime.time()",
        "import time\ntime.sleep(3600)\n1",
    ],
)
def test_a_result_is_a_function_of_the_text(code: str) -> None:
    values = []
    for _ in range(2):
        with Sandbox() as fresh:
            values.append(fresh.run(code).value)
    assert values[0] is not None
    assert values[0] == values[1]


def test_a_dead_process_is_replaced() -> None:
    with Sandbox() as one:
        assert one.run("1").value == "1"
        assert one._pool is not None
        with one._pool.checkout() as session:
            pid = session.worker_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert one.run("2").value == "2"
        one.close()
        assert one.run("3").value == "3"


def test_without_a_sandbox_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert available()
    monkeypatch.setenv("MONTY_BIN", str(tmp_path / "absent"))
    assert not available()
    with pytest.raises(SandboxMissing, match="cannot run here"):
        Sandbox().run("1")
    monkeypatch.delenv("MONTY_BIN")
    monkeypatch.setattr(module, "monty", None)
    assert not available()
    with pytest.raises(SandboxMissing, match="not installed"):
        Sandbox().run("1")
