"""Why a job ends without what it was asked for; the reason is told to its user.

Exception
├── CannotPrepare   statistics that a stage's method needs could not be computed
├── CannotBuild     the child of a stage that the next builds on could not be written
└── NoChild         there is no child that could be scored
"""

from __future__ import annotations


class CannotPrepare(Exception):
    """Statistics that a stage's method needs could not be computed."""


class CannotBuild(Exception):
    """The child of an earlier stage could not be written for the stage that builds on it."""


class NoChild(Exception):
    """The search, or one stage of it, ended without a child that could be scored."""
