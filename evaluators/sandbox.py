"""Running a program that a model wrote, without trusting it.

A program runs in a sandbox process of pydantic-monty, an interpreter of a part of Python that has
no file, no network, no environment and no other process. The clock stands still at `CLOCK` and
random numbers start from one seed, so that a program's result is a function of its text; only
whether it fits the time limit depends on the machine.

What a program may use is listed in docs/programs.md.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

from evaluators.errors import SandboxMissing

try:
    import pydantic_monty as monty
except ImportError:  # No wheel for this platform: all else works.
    monty = None  # type: ignore[assignment]

Failure = Literal[
    "timeout",
    "memory",
    "recursion",
    "output_too_long",
    "syntax",
    "unsupported",
    "refused",
    "exception",
    "no_value",
    "crashed",
]
FAILURES: tuple[Failure, ...] = get_args(Failure)

CLOCK = datetime.datetime(2000, 1, 1)
"""What every clock in the sandbox shows, in UTC."""


@dataclass(frozen=True)
class Limits:
    """What a program may spend: seconds of running, bytes of memory, calls inside calls, and
    characters of its value or bytes of what it prints."""

    seconds: float = 2.0
    memory: int = 64 << 20
    depth: int = 500
    output: int = 10_000


@dataclass(frozen=True)
class Outcome:
    """A program's value as text, or how it failed. `detail` is the sandbox's sentence on that."""

    value: str | None
    failure: Failure | None = None
    detail: str = ""


def available() -> bool:
    """Whether programs can run here: the sandbox is installed, and answers."""
    try:
        with Sandbox() as sandbox:
            return sandbox.run("6 * 7").value == "42"
    except SandboxMissing:
        return False


class Sandbox:
    """A sandbox process, started when it is first needed; not to be shared by threads.

    A process that died is replaced. Programs know nothing of each other.
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._pool: monty.Monty | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; the next program starts a new one."""
        if self._pool is not None:
            self._pool.__exit__(None, None, None)
            self._pool = None

    def run(self, code: str, expression: str | None = None) -> Outcome:
        """What a program comes to; no program makes this raise.

        That is the value of `expression` after the program, by default of `solution()` where the
        program defines it; else the value of its last expression; else the last line it prints.

        Raises SandboxMissing where no sandbox can be started.
        """
        if expression is None and _SOLUTION.search(code):
            expression = "solution()"
        if expression is not None:
            code = f"{code}\n{expression}\n"
        outcome = self._try(code)
        # The process may have been dead before; a program that ends it does so again.
        return self._try(code) if outcome.failure == "crashed" else outcome

    def _try(self, code: str) -> Outcome:
        pool = self._started()
        printed = monty.CollectString(self.limits.output)
        try:
            with pool.checkout(**self._settings()) as session:
                value = session.feed_run(code, print_callback=printed)
        except monty.MontyError as error:
            return self._raised(error)
        except (ValueError, RecursionError) as error:
            # The value does not fit into one of this process: an integer of 4300 digits and more.
            return _failed("output_too_long", str(error))
        except (OSError, RuntimeError) as error:
            self.close()
            return _failed("crashed", f"{type(error).__name__}: {error}")
        return self._value(value, printed.output)

    def _started(self) -> monty.Monty:
        if monty is None:
            raise SandboxMissing("programs cannot run here: pydantic-monty is not installed")
        if self._pool is None:
            pool = monty.Monty(
                max_processes=1, checkout_timeout=30.0, request_timeout=self.limits.seconds + 5.0
            )
            try:
                self._pool = pool.__enter__()
            except (OSError, RuntimeError) as error:
                raise SandboxMissing(f"programs cannot run here: {error}") from error
        return self._pool

    def _settings(self) -> dict[str, Any]:
        return {
            "limits": {
                "max_feed_duration_secs": self.limits.seconds,
                "max_memory": self.limits.memory,
                "max_recursion_depth": self.limits.depth,
            },
            "os_policy": {"datetime": CLOCK, "sleep": "zero", "random_start": {"seed": 0}},
        }

    def _raised(self, error: monty.MontyError) -> Outcome:
        if isinstance(error, monty.MontySyntaxError):
            return _failed("syntax", str(error))
        if isinstance(error, monty.MontyCrashedError):
            return _failed("timeout" if error.timed_out else "crashed", str(error))
        text = str(error)
        kind, _, message = text.partition(":")
        if kind == "MemoryError" and f"> {self.limits.output} bytes" in message:
            return _failed("output_too_long", text)
        if kind == "RuntimeError" and "not supported in this environment" in message:
            return _failed("refused", text)
        if kind == "AttributeError" and message.startswith(" module "):
            return _failed("unsupported", text)
        return _failed(_KINDS.get(kind, "exception"), text)

    def _value(self, value: Any, printed: str) -> Outcome:
        if value is None:
            lines = printed.strip().splitlines()
            return Outcome(lines[-1].strip()) if lines else _failed("no_value", "")
        if not isinstance(value, _PLAIN):
            return _failed("no_value", f"the value is a {type(value).__name__}")
        try:
            text = str(value).strip()
        except (ValueError, RecursionError) as error:
            return _failed("output_too_long", str(error))
        if len(text) > self.limits.output:
            return _failed("output_too_long", f"the value has {len(text)} characters")
        return Outcome(text) if text else _failed("no_value", "the value is an empty text")


_SOLUTION = re.compile(r"^def solution\b", re.MULTILINE)
# Not classes, functions and instances: their text is none that a program meant to answer.
_PLAIN = (
    str,
    int,
    float,
    complex,
    Decimal,
    tuple,
    list,
    set,
    frozenset,
    dict,
    datetime.date,
    datetime.timedelta,
)
_KINDS: dict[str, Failure] = {
    "TimeoutError": "timeout",
    "MemoryError": "memory",
    "RecursionError": "recursion",
    "ModuleNotFoundError": "unsupported",
    "ImportError": "unsupported",
    "NotImplementedError": "unsupported",
    "PermissionError": "refused",
}
_DETAIL = 200


def _failed(failure: Failure, detail: str) -> Outcome:
    return Outcome(None, failure, detail[:_DETAIL])
