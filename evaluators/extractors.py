"""How an answer is found in a completion and compared: our parser, and published rules by name.

`cuvee` is the one to search with. The others are there to reproduce published numbers, defects
included; each function below names the source and what it is known to get wrong. A rule finds a
text or nothing, and two answers are the same when their spellings are, but for `cuvee`, which
allows a relative difference of 1e-6.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from evaluators.answers import parse_number, same_number
from evaluators.latex_strings import hendrycks_spelling, minerva_spelling


@dataclass(frozen=True)
class Extractor:
    """A rule. `numeric` says that references are numbers; else they are LaTeX, kept as they are."""

    extract: Callable[[str], str | None]
    spelling: Callable[[str], str]
    numeric: bool = True


def extract(name: str, text: str) -> str | None:
    """The answer that a rule finds in a completion. Raises KeyError for an unknown name."""
    return EXTRACTORS[name].extract(text)


def same(name: str, answer: str, reference: str) -> bool:
    """Whether a rule takes two answers for the same. Raises KeyError for an unknown name."""
    if name == "cuvee":
        numbers = parse_number(answer), parse_number(reference)
        return None not in numbers and same_number(*(n for n in numbers if n is not None))
    return canonical(name, answer) == canonical(name, reference)


def canonical(name: str, answer: str) -> str:
    """The spelling that equal answers share. Raises KeyError for an unknown name."""
    return EXTRACTORS[name].spelling(answer)


def plain(number: Fraction) -> str:
    """A number as references are published: a whole number or a decimal, else a fraction."""
    for places in range(_MAX_PLACES):
        scaled = number * 10**places
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{places + 1}d}"
            sign = "-" if number < 0 else ""
            return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    return str(number)


MGSM_PHRASES: Mapping[str, str] = {
    "bn": r"The answer is {}",
    "de": r"Die Antwort lautet {}",
    "en": r"The answer is {}",
    "es": r"La respuesta es {}",
    "fr": r"La réponse est {}",
    "ja": r"答えは{}です。",
    "ru": r"Ответ — {}",
    "sw": r"Jibu ni {}",
    "te": r"సమాధానం {}",
    "th": r"คำตอบคือ {}",
    "zh": r"答案是 {}。",
}
"""How answers to MGSM end in each of its languages, with `{}` for the number."""

_MAX_PLACES = 20
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")


def _cuvee(text: str) -> str | None:
    number = parse_number(text)
    return None if number is None else str(number)


def _cuvee_spelling(answer: str) -> str:
    return _cuvee(answer) or answer


def _last_float(text: str) -> str | None:
    """Sakana AI, Evolutionary Model Merge (arXiv 2403.13187): the last float, compared as float.

    "1,234" is 234, "-5" is 5, "3/4" is 4, and a remark such as "(10%引き)" overrides the answer.
    """
    found = re.findall(r"\d*\.?\d+", text)
    return found[-1] if found else None


def _float_spelling(answer: str) -> str:
    # Only a reference is ever signed, and never equals an answer then.
    try:
        return repr(float(answer))
    except ValueError:
        return answer


def _last_digits(text: str) -> str | None:
    """mergenetic (arXiv 2502.10436): the last run of digits, compared as text.

    "12.50" is 50, "-5" is 5.
    """
    found = re.findall(r"\d+", text)
    return found[-1] if found else None


def _after_phrase_rounded(text: str) -> str | None:
    """MergeLM (arXiv 2311.03099) and WizardMath (arXiv 2308.09583) on GSM8K: the first number after
    the last "The answer is: ", rounded to a whole number.

    Nothing without that phrase; of "1,234,567" only 1,234 is read.
    """
    _, phrase, rest = text.rpartition("The answer is: ")
    match = re.search(r"[-+]?\d*[.,/]?\d+", rest) if phrase else None
    return None if match is None else _rounded(match.group())


def _rounded(number: str) -> str | None:
    top, slash, bottom = number.replace(",", "").partition("/")
    try:
        value = float(top) / float(bottom) if slash else float(top)
    except (ValueError, ZeroDivisionError):
        return None
    return str(round(value)) if math.isfinite(value) else None


def _round_spelling(answer: str) -> str:
    return _rounded(answer) or answer


def _first_group(pattern: str) -> Callable[[str], str | None]:
    """lm-eval's strict rules: the first number after a phrase; nothing without the phrase."""
    compiled = re.compile(pattern)

    def find(text: str) -> str | None:
        match = compiled.search(text)
        return None if match is None else match.group(1).strip()

    return find


def _flexible(text: str) -> str | None:
    """lm-eval's flexible-extract: the last run of at least two of digits, "$", ".", ",", or number.

    "..." at the end of a sentence counts as an answer, and every remark overrides it.
    """
    found = [match.group() for match in _FLEXIBLE.finditer(text)]
    return found[-1].strip() if found else None


def _gsm8k_spelling(answer: str) -> str:
    """lm-eval's GSM8K metric: without commas, dollars, what precedes "#### ", and a final point."""
    answer = answer.replace(",", "").replace("$", "")
    answer = answer[answer.rfind("#### ") + 5 :] if "#### " in answer else answer
    return re.sub(r"\.$", "", answer).lower()


def _mgsm_spelling(answer: str) -> str:
    """lm-eval's MGSM metric: without case and ASCII punctuation, so that -5 is 5 and 12.50 1250."""
    return answer.lower().translate(str.maketrans("", "", string.punctuation))


def _between_dollars(text: str) -> str:
    """lm-eval's hendrycks_math: between the first and the last "$", or all; ignores \\boxed."""
    first, last = text.find("$"), text.rfind("$")
    return text[first + 1 : last] if first < last else text


def _minerva(text: str) -> str | None:
    """lm-eval's minerva_math: the few-shot examples' closing sentence, and nothing without it.

    Compared by spelling; lm-eval also tries algebra (sympy), which is not done here.
    """
    match = re.search(
        r"Final Answer: The final answer is(.*?). I hope it is correct.",
        text + "I hope it is correct.",
    )
    return None if match is None else match.group(1).strip()


def _wizardmath(text: str) -> str | None:
    """WizardMath on MATH (arXiv 2308.09583): from the last "The answer is: " to the end of its
    sentence and line; nothing without that phrase."""
    _, phrase, rest = text.rpartition("The answer is: ")
    return rest.split(".\n")[0].strip().removesuffix(".") if phrase else None


EXTRACTORS: Mapping[str, Extractor] = {
    "cuvee": Extractor(_cuvee, _cuvee_spelling),
    "sakana_mgsm": Extractor(_last_float, _float_spelling),
    "mergenetic": Extractor(_last_digits, str),
    "mergelm_gsm8k": Extractor(_after_phrase_rounded, _round_spelling),
    "lm_eval_strict": Extractor(_first_group(r"#### (-?[0-9.,]+)"), _gsm8k_spelling),
    "lm_eval_flexible": Extractor(_flexible, _gsm8k_spelling),
    "mgsm_flexible": Extractor(_flexible, _mgsm_spelling),
    **{
        f"mgsm_native_cot_{language}": Extractor(
            _first_group(phrase.format(r"(-?[0-9.,]+)")), _mgsm_spelling
        )
        for language, phrase in MGSM_PHRASES.items()
    },
    "hendrycks_math": Extractor(_between_dollars, hendrycks_spelling, numeric=False),
    "minerva_math": Extractor(_minerva, minerva_spelling, numeric=False),
    "wizardmath_math": Extractor(_wizardmath, hendrycks_spelling, numeric=False),
}
