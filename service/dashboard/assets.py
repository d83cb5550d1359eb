"""Files that pages load: the dashboard's own, and Plotly's script out of its wheel."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fastapi import Request, Response
from starlette.staticfiles import StaticFiles

PLOTLY_URL = f"static/plotly.min.js?v={version('plotly')}"

_STATIC = Path(__file__).parent / "static"
_OWN = StaticFiles(directory=_STATIC)
_IMPORT = re.compile(r'^(?:import|export)\b[^"]*"\./([\w.]+)";$', re.MULTILINE)
_PLOTLY = StaticFiles(directory=str(files("plotly") / "package_data"))

# A shared worker goes by the policy of its own script, not by its page's.
_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"


@cache
def modules(entry: str) -> tuple[str, ...]:
    """The modules of `static/` that a script is made of, itself first."""
    found = [entry]
    # It grows while it is gone through.
    for name in found:
        imported = _IMPORT.findall((_STATIC / name).read_text(encoding="utf-8"))
        found += [one for one in dict.fromkeys(imported) if one not in found]
    return tuple(found)


async def own(name: str, request: Request) -> Response:
    """A file of `static/`. Browsers ask again each time: modules load one another by bare names,
    which carry no version."""
    return _sent(await _OWN.get_response(name, request.scope), "no-cache")


async def plotly(request: Request) -> Response:
    """Plotly's script, 5 MB, kept for a year: its address names the version."""
    answer = await _PLOTLY.get_response("plotly.min.js", request.scope)
    return _sent(answer, "public, max-age=31536000, immutable")


def _sent(answer: Response, cache: str) -> Response:
    answer.headers["Cache-Control"] = cache
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer
