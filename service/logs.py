"""Structured logs: what happened, and the job and the trial that it is about, line by line.

Whoever works on a job binds its id, and all that is logged meanwhile carries it. A traceback shows
lines of code and never the values of variables, as these may be secrets. Lines for which there is
no room, or no reader any more, are lost: what is logged about goes on.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Literal

import structlog
from structlog.typing import Processor

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


def configure(form: LogFormat, level: LogLevel) -> None:
    """Have this process log to its standard error: for people, or one JSON object a line."""
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        processors.append(structlog.processors.format_exc_info)
        processors.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    else:
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        )
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_make_logger,
    )


class _Lines(structlog.PrintLogger):
    """Standard error, line by line."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def _make_logger(*_: object) -> _Lines:
    return _Lines(sys.stderr)
