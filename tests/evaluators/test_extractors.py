"""Published rules for answers: their documented defects, and lm-eval's own filters beside ours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import lm_eval
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks.hendrycks_math.utils import is_equiv, strip_string

from evaluators.extractors import EXTRACTORS, canonical, extract, plain, same
from evaluators.latex_strings import hendrycks_spelling, minerva_spelling
from tests.evaluators.hard_answers import HARD_ANSWERS

TASKS = Path(lm_eval.__file__).parent / "tasks"
MGSM = ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"]


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("cuvee", "答えは1,234円(10%引き)です", "1234"),
        ("cuvee", "nothing", None),
        ("sakana_mgsm", "1,234", "234"),
        ("sakana_mgsm", "-5", "5"),
        ("sakana_mgsm", "3/4", "4"),
        ("sakana_mgsm", "答えは80円(10%引き)", "10"),
        ("sakana_mgsm", "１２", "１２"),
        ("sakana_mgsm", "no digits.", None),
        ("mergenetic", "12.50", "50"),
        ("mergenetic", "-5", "5"),
        ("mergenetic", "", None),
        ("mergelm_gsm8k", "The answer is: 1,234.", "1234"),
        ("mergelm_gsm8k", "The answer is: 1,234,567", "1234"),
        ("mergelm_gsm8k", "The answer is: -7/2", "-4"),
        ("mergelm_gsm8k", "The answer is: 3. The answer is: 12.6", "13"),
        ("mergelm_gsm8k", "The answer is: 5/0", None),
        ("mergelm_gsm8k", f"The answer is: {'9' * 400}", None),
        ("mergelm_gsm8k", "The answer is 12", None),
        ("lm_eval_strict", "#### -1,234.", "-1,234."),
        ("lm_eval_strict", "The answer is 12", None),
        ("lm_eval_flexible", "It is 7.", "7."),
        ("lm_eval_flexible", "It is 17...", "17..."),
        ("lm_eval_flexible", "17 so ...", "..."),
        ("mgsm_native_cot_ja", "答えは5です。", "5"),
        ("mgsm_native_cot_ja", "答えは5個です。", None),
        ("mgsm_native_cot_bn", "The answer is 5", "5"),
        ("hendrycks_math", r"so $x=1$ and $\frac12$.", r"x=1$ and $\frac12"),
        ("hendrycks_math", r"\boxed{5}", r"\boxed{5}"),
        ("minerva_math", "Final Answer: The final answer is $5$. I hope it is correct.", "$5$"),
        ("minerva_math", r"\boxed{5}", None),
        ("wizardmath_math", "The answer is: $\\frac12$.\nSo it is.", r"$\frac12$"),
        ("wizardmath_math", r"\boxed{5}", None),
    ],
)
def test_what_each_rule_finds(name: str, text: str, answer: str | None) -> None:
    assert extract(name, text) == answer


@pytest.mark.parametrize(
    ("name", "answer", "reference", "equal"),
    [
        ("cuvee", "0.5", "1/2", True),
        ("cuvee", "x", "1/2", False),
        ("sakana_mgsm", "18.0", "18", True),
        ("sakana_mgsm", "5", "-5", False),
        ("mergenetic", "18", "18.0", False),
        ("mergelm_gsm8k", "13", "12.6", True),
        ("lm_eval_strict", "$1,234.", "1234", True),
        ("lm_eval_flexible", "18.0", "18", False),
        ("mgsm_native_cot_ja", "-5", "5", True),
        ("mgsm_native_cot_ja", "12.50", "1250", True),
        ("hendrycks_math", r"\dfrac12", "1/2", True),
        ("hendrycks_math", "0.5", "1/2", True),
        ("hendrycks_math", "x+1", "1+x", False),
        ("minerva_math", "$x=100,000$ dollars", "100000", True),
        ("minerva_math", r"90^\circ", r"\text{90}", True),
        ("minerva_math", "1/2", "0.5", False),
        ("wizardmath_math", r"5\text{ cm}", "5", True),
    ],
)
def test_what_each_rule_takes_for_the_same(
    name: str, answer: str, reference: str, equal: bool
) -> None:
    assert same(name, answer, reference) is equal


HAND = [text for cases in HARD_ANSWERS.values() for text, _ in cases]
PHRASES = ["The answer is ", "答えは", "です。", "#### ", "答案是 ", "。", "Jibu ni ", "Ответ — ",
           "คำตอบคือ ", "సమాధానం ", "La respuesta es ", "La réponse est ", "Die Antwort lautet ",
           ]  # fmt: skip
RANDOM = st.lists(st.sampled_from([*"0123456789.,$- \n", *PHRASES]), max_size=30).map("".join)


def lm_eval_answer(settings: dict[str, Any], text: str) -> str:
    """What lm-eval's own filter finds; `settings` are those of a task file."""
    arguments = {key: value for key, value in settings.items() if key != "function"}
    (found,) = RegexFilter(**arguments).apply([[text]], [{}])
    return str(found[0])


def filters(path: Path) -> dict[str, dict[str, Any]]:
    return {
        entry["name"]: entry["filter"][0]
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["filter_list"]
    }


GSM8K = filters(TASKS / "gsm8k" / "gsm8k.yaml")
NATIVE = {
    language: filters(TASKS / "mgsm" / "native_cot" / f"mgsm_native_cot_{language}.yaml")
    for language in MGSM
}
RULES = {
    "lm_eval_strict": GSM8K["strict-match"],
    "lm_eval_flexible": GSM8K["flexible-extract"],
    "mgsm_flexible": NATIVE["ja"]["flexible-extract"],
    **{f"mgsm_native_cot_{language}": NATIVE[language]["strict-match"] for language in MGSM},
}


@given(text=RANDOM | st.sampled_from(HAND) | st.text())
def test_lm_eval_finds_the_same(text: str) -> None:
    for name, settings in RULES.items():
        assert (extract(name, text) or "[invalid]") == lm_eval_answer(settings, text)


ANSWERS = st.text("0123456789.,$-", min_size=1, max_size=6)


@given(answer=ANSWERS, reference=ANSWERS)
def test_lm_eval_takes_the_same_for_equal(answer: str, reference: str) -> None:
    gsm8k = yaml.safe_load((TASKS / "gsm8k" / "gsm8k.yaml").read_text())["metric_list"][0]
    options = {"ignore_case": True, "regexes_to_ignore": gsm8k["regexes_to_ignore"]}
    for name, settings in [
        ("lm_eval_strict", options),
        ("mgsm_flexible", {"ignore_case": True, "ignore_punctuation": True}),
    ]:
        theirs = exact_match_hf_evaluate([answer], [reference], **settings)["exact_match"]
        assert same(name, answer, reference) == bool(theirs)


LATEX = [
    "0.5", "1/2", "-1/2", "3/4", "01/2", r"\frac12", r"\dfrac{1}{2}", r"\tfrac1{2}", r"\sqrt2",
    r"\sqrt{2}", "x=5", "5", " 5 ", "k = 5", "abc=5", "x=y=5", ".5", r"\frac{.5}{2}", "5\\%",
    "5%",
    r"90^\circ", r"90^{\circ}", "90", r"5\text{ cm}", r"\$5", r"\left(1,2\right)", "(1,2)",
    "(1, 2)",
    r"1\!000", "1000", "x+1", "1+x", "", r"\frac{\sqrt3}{2}", r"\frac{\sqrt{3}}{2}", "a/b",
    "10\\\\",
    "12\n", r"3\frac12", r"3\frac{1}{2}",
]  # fmt: skip


@pytest.mark.parametrize("text", LATEX)
def test_lm_eval_takes_the_same_latex_for_equal(text: str) -> None:
    for other in LATEX:
        assert same("hendrycks_math", text, other) == is_equiv(text, other), other


TEX = [
    *("5", "12", "x=", "=", "1", "{", "}", " ", ".5", "1/2", "-", "%", "$", "\n", "{1}{2}", "{2}"),
    *(r"\frac", r"\dfrac", r"\sqrt", r"\text{ cm}", r"\%", r"\$", r"^\circ", r"\left", r"\!"),
]


@given(st.lists(st.sampled_from(TEX), max_size=6).map("".join))
def test_lm_eval_spells_latex_the_same(text: str) -> None:
    try:
        theirs = strip_string(text)
    except (AssertionError, IndexError, ValueError):
        # It has no spelling for some broken LaTeX, and then compares the texts as they are.
        return
    assert hendrycks_spelling(text) == theirs


@given(st.text() | st.sampled_from(HAND))
def test_no_rule_raises_on_any_text(text: str) -> None:
    for name in EXTRACTORS:
        answer = extract(name, text)
        assert answer is None or same(name, answer, answer) or answer == ""
        canonical(name, text)


@given(st.text("0123456789./=\\${}^ %", max_size=40))
def test_spellings_never_raise(text: str) -> None:
    assert isinstance(hendrycks_spelling(text), str)
    assert isinstance(minerva_spelling(text), str)


@given(st.decimals(-(10**9), 10**9, places=3).map(Fraction))
def test_a_plain_number_is_the_number(number: Fraction) -> None:
    assert Fraction(plain(number)) == number
    assert "/" not in plain(number)


def test_a_number_without_an_end_stays_a_fraction() -> None:
    assert plain(Fraction(1, 3)) == "1/3"
