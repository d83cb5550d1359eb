"""The merge methods there are, as plain data.

Every module of `merging.methods` whose name does not begin with an underscore holds one method as
`METHOD`; a new module is found by itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import merging.methods
from merging.errors import RecipeError
from merging.method import Method, Parameter, SearchRange

__all__ = ["Method", "Parameter", "SearchRange", "get_method", "methods"]


@cache
def methods() -> Mapping[str, Method]:
    """Every method by name, in alphabetical order."""
    found: dict[str, Method] = {}
    for module in pkgutil.iter_modules(merging.methods.__path__):
        if not module.name.startswith("_"):
            method = importlib.import_module(f"merging.methods.{module.name}").METHOD
            found[method.name] = method
    return MappingProxyType(dict(sorted(found.items())))


def get_method(name: str) -> Method:
    """The method of this name; raises RecipeError on `merge_method`."""
    try:
        return methods()[name]
    except KeyError:
        known = ", ".join(methods())
        raise RecipeError("merge_method", f"unknown method {name!r}; there are: {known}") from None
