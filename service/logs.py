"""Structured logs: what happened, and the job and the trial that it is about, line by line.

Whoever works on a job binds its id, and all that is logged meanwhile carries it. A traceback shows
lines of code and never the values of variables, as these may be secrets.
"""

from __future__ import annotations

import sys
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
