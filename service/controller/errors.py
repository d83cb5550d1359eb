"""Why a job ends without a child.

Both end the job; what they say is its reason.
"""

from __future__ import annotations


class CannotPrepare(Exception):
    """Statistics that a stage's method needs could not be computed."""


class NoChild(Exception):
    """The search ended without a single child that could be scored."""
