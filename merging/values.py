"""The value of a parameter: one number, a gradient over depth, or a choice by tensor name.

The three forms, and what they mean, are mergekit's (0.1.5):

- a scalar holds everywhere;
- a list is a gradient over `t`, which runs from 0 at the first layer of a slice to 1 at its last:
  numbers are joined by straight lines, switches and choices hold until the next one begins;
- a list of `{filter, value}` takes the first entry whose filter is part of the tensor's name.
  `"*"`, and no filter, match every name. No match is no value: the next scope decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Scalar = bool | int | float | str
Gradient = tuple[Scalar, ...]

_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Conditional:
    """A value for the tensors whose name contains `filter`."""

    value: Scalar | Gradient
    filter: str = "*"

    def matches(self, tensor_name: str) -> bool:
        return self.filter == "*" or self.filter in tensor_name


@dataclass(frozen=True)
class Choice:
    """The first entry that matches decides."""

    entries: tuple[Conditional, ...]


Setting = Scalar | Gradient | Choice


def resolve(value: Setting, tensor_name: str, t: float) -> Scalar | None:
    """What `value` is for one tensor, at depth `t` in [0, 1]; None when no filter matches.

    A switch comes back as `bool`, a choice as text.
    """
    if isinstance(value, Choice):
        for entry in value.entries:
            if entry.matches(tensor_name):
                return resolve(entry.value, tensor_name, t)
        return None
    if not isinstance(value, tuple):
        return value
    position = t * (len(value) - 1)
    left = int(position)
    low, high = value[left], value[min(left + 1, len(value) - 1)]
    if isinstance(low, bool | str) or isinstance(high, bool | str):
        return low
    fraction = position - left
    return (1 - fraction) * low + fraction * high


def gradients(value: Setting) -> Iterator[Gradient]:
    """Every alternative in `value` as a list of numbers; a scalar is a list of one."""
    if isinstance(value, Choice):
        for entry in value.entries:
            yield from gradients(entry.value)
    else:
        yield value if isinstance(value, tuple) else (value,)


def parse_setting(raw: object) -> Setting:
    """A setting from YAML or JSON data, or `raw` itself if it is one already.

    Raises ValueError with a sentence that suits any field. Text such as `1e-3`, which YAML 1.1
    does not read as a number, is taken for the number that it spells, as mergekit takes it; other
    words are choices (Cuvee's own).
    """
    if isinstance(raw, Choice):
        return raw
    if isinstance(raw, Mapping):
        return Choice((_parse_conditional(raw),))
    if not isinstance(raw, list | tuple):
        return _parse_scalar(raw)
    if not raw:
        raise ValueError("the list is empty")
    if all(isinstance(entry, Mapping) for entry in raw):
        return Choice(tuple(_parse_conditional(entry) for entry in raw))
    return tuple(_parse_scalar(entry) for entry in raw)


def plain_setting(value: Setting) -> object:
    """`value` as YAML or JSON data; `parse_setting` reads it back."""
    if isinstance(value, Choice):
        return [
            {"filter": entry.filter, "value": plain_setting(entry.value)} for entry in value.entries
        ]
    return list(value) if isinstance(value, tuple) else value


def _parse_conditional(raw: Mapping[object, object]) -> Conditional:
    if "value" not in raw or not raw.keys() <= {"value", "filter"}:
        raise ValueError("an entry must be {filter, value}")
    name = raw.get("filter")
    if name is not None and not isinstance(name, str):
        raise ValueError("a filter must be text: a part of tensor names, or '*'")
    value = parse_setting(raw["value"])
    if isinstance(value, Choice):
        raise ValueError("a filter's value must be a number or a list of numbers")
    return Conditional(value=value, filter="*" if name is None else name)


def _parse_scalar(raw: object) -> Scalar:
    if isinstance(raw, str):
        if _WORD.fullmatch(raw) and raw not in ("nan", "inf", "infinity"):
            return raw
        try:
            raw = float(raw)
        except ValueError:
            raise ValueError(f"{raw!r} is neither a number nor a choice") from None
    if not isinstance(raw, bool | int | float):
        raise ValueError("must be a number, a list of numbers, or a list of {filter, value}")
    if not math.isfinite(raw):
        raise ValueError("must be a finite number")
    return raw
