"""Hard cases of the answer parser, then properties over many ways to write a number."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.answers import parse_number, same_number
from tests.evaluators.hard_answers import HARD_ANSWERS
from tests.evaluators.shared_data import shared_data

CASES: list[tuple[str, str | None]] = [
    # Plain numbers, and none.
    ("42", "42"),
    ("", None),
    ("わかりません。", None),
    ("...", None),
    ("7.", "7"),
    (".5", "1/2"),
    ("0.125", "1/8"),
    ("007", "7"),
    ("答えは", None),
    # The last number counts where nothing announces the answer.
    ("3 and then 4", "4"),
    ("12+5=17", "17"),
    ("まず3個、次に4個", "4"),
    # Anchors.
    ("12+5=17。答えは17個です。", "17"),
    (" 12+5=17. The answer is 17 apples.", "17"),
    ("答え：42", "42"),
    ("答え:\n42", "42"),
    ("答：8", "8"),
    ("正解は8です。3ではない。", "8"),
    ("The answer is 5. I checked it 3 times.", "5"),
    ("the final ANSWER IS: 12 dollars (or 13)", "12"),
    ("Answer: 9\n\nQuestion: 10", "9"),
    ("So 16-3-4=9.\n#### 18", "18"),
    ("#### 1,000", "1000"),
    ("#### -3\n#### 4", "4"),
    (r"Hence \boxed{42} and not 17", "42"),
    (r"\boxed{\frac{3}{4}}", "3/4"),
    (r"\boxed{x = 5}", "5"),
    (r"The answer is $\boxed{1{,}234}$.", "1234"),
    (r"答えは\(x=3\)です", "3"),
    # Of several anchors the last one that a number follows.
    ("答えは5です。いや、答えは6です。", "6"),
    ("答えは5です。答えは", "5"),
    ("The answer is 5. The answer is", "5"),
    # Within the announced sentence the first number, or an equation's result.
    ("答えは5個で、残りは3個です", "5"),
    ("答えは12+5=17個です", "17"),
    ("答えは17個(12+5=17)です", "17"),
    ("The answer is 3 + 4 = 7. Check: 7 - 4 = 3.", "7"),
    ("The answer is 10/3 ≈ 3.33.", "333/100"),
    ("The answer is **7**.", "7"),
    # Parentheses hold remarks.
    ("合計80円(10%引き)", "80"),
    ("合計80円（10%引き）", "80"),
    ("(5)", "5"),
    ("x = (−5)", "-5"),
    ("80 [see 3]", "80"),
    # Thousands separators.
    ("1,234", "1234"),
    ("1,234,567.89", "123456789/100"),
    ("１，２３４円", "1234"),
    ("3, 4, 5", "5"),
    ("1,23", "23"),
    # Signs.
    ("-5", "-5"),
    ("−5", "-5"),
    ("－５", "-5"),
    ("答えは-5です", "-5"),
    ("-$5", "-5"),
    ("$-5", "-5"),
    ("minus 3", "-3"),
    ("マイナス3度", "-3"),
    ("10-5", "5"),
    ("10 - 5", "5"),
    ("A-5", "5"),
    ("- 5 apples", "5"),
    # Fractions.
    ("3/4", "3/4"),
    ("-3/4", "-3/4"),
    ("1 1/2 cups", "3/2"),
    ("2½", "5/2"),
    ("4分の3", "3/4"),
    ("5/0", None),
    ("3/4/2020", "2020"),
    # Powers and multipliers.
    ("1.5e3", "1500"),
    ("2×10^3", "2000"),
    (r"2 \times 10^{3}", "2000"),
    ("10³", "1000"),
    ("8万ドル", "80000"),
    ("1億2000万", "120000000"),
    ("3千500万", "35000000"),
    ("5千円", "5000"),
    ("2.5 million", "2500000"),
    # Units, currency and percent.
    ("25%", "25"),
    ("２５％", "25"),
    ("$1,234.50", "2469/2"),
    ("¥500", "500"),
    ("500円", "500"),
    ("5 m²", "5"),
    ("5㎡", "5"),
    ("12kg", "12"),
    ("CO2は5g", "5"),
]


@pytest.mark.parametrize(("text", "number"), CASES)
def test_hard_cases(text: str, number: str | None) -> None:
    assert parse_number(text) == (None if number is None else Fraction(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param(text, number, id=f"{subject}: {text[:40]!r}")
        for subject, cases in HARD_ANSWERS.items()
        for text, number in cases
    ],
)
def test_what_a_careful_reader_finds(text: str, number: str | None) -> None:
    assert parse_number(text) == (None if number is None else Fraction(number))


def test_solutions_without_their_answer_line() -> None:
    """The fallback finds what people who were not asked for an anchor ended with."""
    lines = shared_data("gsm8k", "test.jsonl").read_text(encoding="utf-8").splitlines()
    solutions = [json.loads(line)["answer"].split("####") for line in lines]
    found = sum(parse_number(working) == parse_number(answer) for working, answer in solutions)
    assert len(solutions) == 1319
    assert found / len(solutions) > 0.93


@pytest.mark.parametrize(
    "text",
    ["\\boxed{" * 15000, "\\frac{ " * 20000, "\\frac{" + " " * 100_000, "\n" * 100_000,
     "1.234" * 20000, "1 234 " * 20000, "=" + " " * 100_000, "Answer" + " " * 100_000,
     "answer to " * 10000, "1:2" * 30000, "Q:\n" * 30000, "1. \n2. \n" * 20000,
     "5人" * 50000, "Note:" * 20000, "minus " * 30000, "not 5" * 20000,
     "9" * 5000, "1e999999999", "1,000" * 3000, "答えは" * 5000, "#### " * 5000, "(" * 20000,
     "3/" * 10000, "3 " * 10000, "1 and " * 5000, "-" * 20000, "5万" * 5000],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_degenerate_text_takes_no_time_without_end(text: str) -> None:
    """A pattern that tries every way to match would be at it for hours."""
    parse_number(text)


NUMBERS = st.fractions(max_denominator=1) | st.decimals(
    min_value=-(10**9), max_value=10**9, places=3
).map(Fraction)
FULL_WIDTH = str.maketrans("0123456789.,-", "０１２３４５６７８９．，－")
STYLES = [
    "{}",
    "答えは{}です。",
    "答え：{}個",
    "The answer is {}.",
    "The answer is ${}.",
    "#### {}",
    "\\boxed{{{}}}",
    "1+1=2。答えは{}円（税込）です。",
    "2つ足して\n答えは{}",
    "**Answer:** {}",
    "1+1=2\nFinal answer = {}",
    "Jibu ni {}.",
    "答案是 {}。",
    "คำตอบคือ {}",
    "উত্তর হল {}।",
    "సమాధానం {}",
    "First 2.\nThe answer is {}.\n\nQuestion: 3+4?",
]


@given(number=NUMBERS, style=st.sampled_from(STYLES), commas=st.booleans(), wide=st.booleans())
def test_a_written_number_is_read_back(
    number: Fraction, style: str, commas: bool, wide: bool
) -> None:
    number = min(max(number, Fraction(-(10**12))), Fraction(10**12))
    text = _decimal(number, "," if commas else "")
    if wide:
        text = text.translate(FULL_WIDTH)
    assert parse_number(style.format(text)) == number


@given(
    top=st.integers(-999, 999),
    bottom=st.integers(1, 999),
    style=st.sampled_from(STYLES[:6] + STYLES[9:]),
)
def test_a_fraction_is_read_back(top: int, bottom: int, style: str) -> None:
    assert parse_number(style.format(f"{top}/{bottom}")) == Fraction(top, bottom)


SCRIPTS = ["০১২৩৪৫৬৭৮৯", "๐๑๒๓๔๕๖๗๘๙", "౦౧౨౩౪౫౬౭౮౯", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९"]


@given(
    number=st.integers(-(10**12), 10**12),
    style=st.sampled_from(STYLES),
    script=st.sampled_from(SCRIPTS),
)
def test_digits_of_every_script_are_read_back(number: int, style: str, script: str) -> None:
    text = str(number).translate(str.maketrans("0123456789", script))
    assert parse_number(style.format(text)) == number


@given(
    number=st.decimals(min_value=0, max_value=10**9, places=2),
    style=st.sampled_from(["Die Antwort lautet {}.", "La respuesta es {} €.", "Ответ: {}"]),
)
def test_decimal_commas_are_read_back(number: Decimal, style: str) -> None:
    text = f"{number:,}".translate(str.maketrans(",.", ".,"))
    assert parse_number(style.format(text)) == Fraction(number)


PIECES = st.sampled_from(
    [*"0123456789,.-/=()[]{} \n", "答えは", "The answer is ", "\\boxed{", "\\frac{", "分の", "万",
     "####", "Question:", "Note:", "1. ", "2. ", "not ", "e5", "×10^", "½", "²", "①", "Ответ: "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_pieces_of_numbers_are_read_without_an_error(text: str) -> None:
    assert parse_number(text) is None or isinstance(parse_number(text), Fraction)


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert parse_number(text) is None or isinstance(parse_number(text), Fraction)


def test_same_number_is_relative_and_symmetric() -> None:
    assert same_number(Fraction(1), Fraction(10**7 + 1, 10**7))
    assert not same_number(Fraction(1), Fraction(10**5 + 1, 10**5))
    assert not same_number(Fraction(0), Fraction(1, 10**9))
    assert same_number(Fraction(0), Fraction(0))
    assert not same_number(Fraction(5), Fraction(-5))
    assert same_number(Fraction("333333.3333"), Fraction(10**6, 3))


def _decimal(number: Fraction, separator: str) -> str:
    whole, rest = divmod(int(abs(number) * 1000), 1000)
    digits = f"{whole:,}".replace(",", separator)
    places = f".{rest:03d}" if rest else ""
    return ("-" if number < 0 else "") + digits + places
