"""Variants of word problems: right, like their originals, and only where that is safe."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from evaluators.gsm8k import Problem, read_problems
from evaluators.perturbation import LEFT_OUT, VARIANTS, Unsafe, perturb, perturb_all
from evaluators.task import SPLITS
from evaluators.tasks import load_task
from tests.evaluators.shared_data import shared_data


def problem(question: str, solution: str, number: int = 300) -> Problem:
    return Problem(number, question, solution, Fraction(solution.rpartition("#### ")[2]))


SOLD = problem(
    "Natalia sold 48 clips in April and 15 in May. Each costs $1.50. How much did she get?",
    "She sold 48+15=<<48+15=63>>63 clips.\nThat is 63*1.5=<<63*1.5=94.5>>94.5.\n#### 94.5",
)


def test_the_answer_follows_the_numbers() -> None:
    variants = perturb(SOLD)
    assert len(variants) == VARIANTS
    assert len({variant.question for variant in variants}) == VARIANTS
    for variant in variants:
        match = re.fullmatch(
            r"Natalia sold (\d\d) clips in April and (\d\d) in May\. Each costs \$(\d\.\d0)\. "
            r"How much did she get\?",
            variant.question,
        )
        assert match is not None
        april, may, price = (Fraction(group) for group in match.groups())
        assert variant.answer == (april + may) * price
        assert variant.answer != Fraction("94.5")
        assert april > may > price
    assert perturb(SOLD) == variants


def test_formats_and_equal_numbers_are_kept() -> None:
    bought = problem(
        "He buys 3 boxes of 3 pens for 1,200 yen each. What do they cost?",
        "<<3*3=9>>9 pens\n<<9*1200=10800>>10800\n#### 10800",
    )
    for variant in perturb(bought):
        match = re.fullmatch(
            r"He buys (\d) boxes of (\d) pens for (\d,\d00) yen each\. What do they cost\?",
            variant.question,
        )
        assert match is not None
        assert match[1] == match[2]
        assert variant.answer == int(match[1]) ** 2 * int(match[3].replace(",", ""))


def test_whole_and_positive_values_stay_so() -> None:
    shared = problem(
        "She has 72 sweets, eats 16 of them and shares the rest among 8 children. How many each?",
        "<<72-16=56>>56\n<<56/8=7>>7\n#### 7",
    )
    for variant in perturb(shared):
        sweets, eaten, children = map(int, re.findall(r"\d+", variant.question))
        assert (sweets - eaten) % children == 0
        assert variant.answer == (sweets - eaten) // children > 0


@pytest.mark.parametrize(
    ("question", "solution", "reason"),
    [
        ("He has 5 and 7.", "That makes 12.\n#### 12", "no equations in the grammar"),
        ("He has 5 and 7.", "<<x+7=12>>12\n#### 12", "no equations in the grammar"),
        ("100 by 3?", "<<100/3=33.33>>33.33\n#### 33.33", "an equation is rounded"),
        ("5 and 7?", "<<5+7=12>>12\n#### 13", "the last equation is not the answer"),
        (
            "Of 30, 12 are boys and 18 girls.",
            "<<30-12=18>>18\n#### 18",
            "a number of the question is also a result",
        ),
        ("5, 7 and 9 here.", "<<5+7=12>>12\n#### 12", "a number of the question is not used"),
        ("He has 5 and 7 pens.", "<<5+7+4=16>>16\n#### 16", "a number of the solution is unex"),
        # There and back: the 2 that doubles the way is not the price.
        (
            "It is 45 miles there, at $2 a mile. And back?",
            "<<45*2=90>>90\n<<90*2=180>>180\n#### 180",
            "a number could be two things",
        ),
        # The 5 may be of the street, or a child and the 4 that join it.
        (
            "45 children. On the fifth street, 4 more join each. How many are there?",
            "<<45*5=225>>225\n<<225+4-4=225>>225\n#### 225",
            "a number could be two things",
        ),
        (
            "He has 15 pens, 45 cards and 20 toys.",
            "<<15+45=60>>60\n<<20+40=60>>60\n<<60+60=120>>120\n#### 120",
            "a number",
        ),
        ("On the 4th he ran 9/4 of it.", "<<9+4=13>>13\n#### 13", "no number can change"),
        ("13 pens for 13 boys.", "<<13/13=1>>1\n#### 1", "no variant keeps what is implied"),
    ],
)
def test_what_is_left_out(question: str, solution: str, reason: str) -> None:
    with pytest.raises(Unsafe, match=reason) as caught:
        perturb(problem(question, solution))
    assert str(caught.value) in LEFT_OUT


def test_words_explain_constants_and_stay() -> None:
    dozen = problem(
        "A dozen eggs cost $24. What do 60 eggs cost?", "<<24/12=2>>2\n<<60*2=120>>120\n#### 120"
    )
    for variant in perturb(dozen):
        price, eggs = map(int, re.findall(r"\d+", variant.question))
        assert variant.question.startswith("A dozen")
        assert variant.answer == Fraction(price, 12) * eggs
    coat = problem(
        "A coat of $80 is 25% off. What does it cost?",
        "<<80*25/100=20>>20\n<<80-20=60>>60\n#### 60",
    )
    for variant in perturb(coat):
        price, percent = map(int, re.findall(r"\d+", variant.question))
        assert variant.answer == price * (1 - Fraction(percent, 100))


def test_rates_times_and_years_stay() -> None:
    asked = "From 9 am on May 5, 2015, he works 6 hours a day for $13. And in 44 days?"
    worked = "<<9+5+2015=2029>>2029\n<<6*13=78>>78\n<<78*44=3432>>3432\n#### 3432"
    for variant in perturb(problem(asked, worked)):
        assert variant.question.startswith("From 9 am on May 5, 2015, he works 6 hours a day for $")


def test_left_out_items_are_counted() -> None:
    other = problem("He has 5 and 7.", "That makes 12.\n#### 12", 301)
    perturbed = perturb_all((SOLD, other))
    assert list(perturbed.variants) == [300]
    assert perturbed.left_out == {"no equations in the grammar": 1}


def test_variants_are_on_the_side_of_their_original(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    lines = [
        json.dumps({"question": SOLD.question, "answer": SOLD.solution, "id": number})
        for number in range(240, 300)
    ]
    (tmp_path / "gsm8k" / "test.jsonl").write_text("\n".join(lines))
    task = load_task("gsm8k_perturbed", tmp_path)
    originals = load_task("gsm8k", tmp_path)
    for split in SPLITS:
        ids = [item.id for item in originals.items(split)]
        assert [item.id for item in task.items(split)] == [
            f"{original}-v{n}" for original in ids for n in (1, 2, 3)
        ]
    assert len(task.items("holdout")) == 30


def test_the_published_set() -> None:
    """Every variant of GSM8K's test set follows from its question, which no original shares."""
    problems = read_problems(shared_data("gsm8k", "test.jsonl"))
    perturbed = perturb_all(problems)
    assert len(perturbed.variants) + sum(perturbed.left_out.values()) == 1319
    assert len(perturbed.variants) > 300
    asked = {original.question for original in problems}
    for number, variants in perturbed.variants.items():
        original = problems[number]
        for variant in variants:
            assert variant.question not in asked
            assert variant.answer != original.reference
            assert (variant.answer.denominator == 1) >= (original.reference.denominator == 1)
            assert variant.answer > 0 or original.reference <= 0
            assert re.sub(r"\d", "0", variant.question) == re.sub(r"\d", "0", original.question)
