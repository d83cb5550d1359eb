"""Spellings of LaTeX answers that published evaluations of MATH compare as strings.

Two of them, each the convention of one source; neither does algebra: x+1 and 1+x stay different.
"""

from __future__ import annotations

import re


def hendrycks_spelling(text: str) -> str:
    """The spelling of Hendrycks et al. 2021 (arXiv 2103.03874): shorthand fractions and roots
    written out, a leading "x=", spaces, degrees, \\%, \\$ and a closing unit dropped,
    0.5 and plain a/b made fractions."""
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    for dropped in ("\\left", "\\right", "^{\\circ}", "^\\circ", "\\$"):
        text = text.replace(dropped, "")
    number, unit, _ = text.partition("\\text{ ")
    text = number if unit else text
    # Twice, as published: one deletion may make another.
    text = text.replace("\\%", "").replace("\\%", "")
    text = re.sub(r"(?<=[ {])\.", "0.", text)
    if text.startswith("."):
        text = "0" + text
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= _LONGEST_NAME:
        text = value
    text = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", text).replace(" ", "")
    text = _with_braced_fractions(text)
    if text == "0.5":
        return "\\frac{1}{2}"
    return re.sub(r"^(0|-?[1-9]\d*)/(0|-?[1-9]\d*)$", r"\\frac{\1}{\2}", text)


def minerva_spelling(text: str) -> str:
    """The spelling of Lewkowycz et al. 2022 (arXiv 2206.14858, appendix D): what follows the last
    equals sign, without articles, units, spaces and markup; shorthand fractions and roots written
    out; commas of thousands dropped."""
    text = text.rsplit("=", maxsplit=1)[-1]
    words = "|".join(filter(str.isalpha, _DELETED))
    text = re.sub(rf"(?<!\\)\b(?:{words})\b", "", text)
    text = text.replace("an ", "").replace("a ", "").replace(".$", "$")
    for dropped in ("\\$", "\\ ", " "):
        text = text.replace(dropped, "")
    text = text.replace("mbox", "text").replace(",\\text{and}", ",").replace("\\text{and}", ",")
    text = text.replace("\\text{m}", "\\text{}")
    for deleted in _DELETED:
        text = _without(text, deleted)
    text = re.sub(r".*?\$(.*?)\$.*", r"$\1$", text)
    for command in ("text", "textbf", "overline"):
        text = re.sub(rf"\\{command}\{{(.*?)\}}", r"\1", text)
    text = re.sub(r"\\boxed\{(.*)\}", r"\1", text)
    text = re.sub(r"frac([^{])(.)", r"frac{\1}{\2}", text)
    text = re.sub(r"sqrt(\[[^\]]*\])(\w)", r"sqrt\1{\2}", text)
    text = re.sub(r"sqrt(?!\[)([^{])", r"sqrt{\1}", text).replace("$", "")
    return text.replace(",", "") if re.fullmatch(r"-?\d{1,3}(,\d{3})+", text) else text


_LONGEST_NAME = 2
# Deleted one after another: the order is the paper's, for a deletion may complete another word.
_DELETED = (
    *("square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units"),
    *("\\ldots", "sue", "points", "feet", "minutes", "digits", "cents", "degrees", "cm", "gm"),
    *("pounds", "meters", "meals", "edges", "students", "childrentickets", "multiples"),
    *("\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}"),
    *("\\text{}", "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots"),
)


def _without(text: str, deleted: str) -> str:
    if not deleted.isalpha():
        return text.replace(deleted, "")
    # A unit may stick to a number, but is no part of a command such as \left.
    parts = re.split(r"(\\[A-Za-z]+)", text)
    parts[::2] = [part.replace(deleted, "") for part in parts[::2]]
    return "".join(parts)


def _with_braced_fractions(text: str) -> str:
    r"""\frac12 as \frac{1}{2}; a text with a fraction that is cut short stays as it is."""
    start, *fractions = text.split("\\frac")
    if any(len(rest) < len("12") and not rest.startswith("{") for rest in fractions):
        return text
    for rest in fractions:
        braced = re.sub(r"^([^{])([^{])", r"{\1}{\2}", rest, flags=re.DOTALL)
        start += "\\frac" + re.sub(r"^([^{])\{", r"{\1}{", braced, flags=re.DOTALL)
    return start
