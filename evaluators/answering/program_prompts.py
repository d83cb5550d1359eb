"""What asks a model to answer by a program: an instruction, worked examples, the question.

After program-aided language models (PAL, Gao et al., arXiv 2211.10435: eight examples, a function
`solution()`) and code-based self-verification (Zhou et al., arXiv 2308.07921: the program checks
its answer). Wording and examples are ours, and belong to no benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass

FENCE = "```"


@dataclass(frozen=True)
class Example:
    """A question, a program that answers it, and a function that checks the answer another way."""

    question: str
    solution: str
    verify: str


def program_prompt(question: str, *, shots: int, verified: bool, opened: bool) -> str:
    """The prompt, with the first `shots` of `EXAMPLES`.

    `verified` asks for `verify(answer)` too. `opened` ends it inside a block of Python that the
    model goes on with, as a model does that only continues texts.
    """
    parts = [_VERIFIED if verified else _SOLVED]
    parts += [_shown(example, verified=verified) for example in EXAMPLES[:shots]]
    parts.append(f"Question: {question}\n{FENCE}python\n" if opened else f"Question: {question}")
    return "\n\n".join(parts)


_SOLVED = (
    "Answer the question by a Python function solution() that takes no argument, computes the "
    "answer and returns it. Write one block of code. Of modules only math and datetime are there."
)
_VERIFIED = (
    f"{_SOLVED} Add a function verify(answer) that checks an answer in another way than solution() "
    "found it, and returns True, False, or None where that cannot be said."
)


def _shown(example: Example, *, verified: bool) -> str:
    code = f"{example.solution}\n\n{example.verify}" if verified else example.solution
    return f"Question: {example.question}\n{FENCE}python\n{code}\n{FENCE}"


EXAMPLES: tuple[Example, ...] = (
    Example(
        "A bakery sells a loaf for 4 dollars and a bun for 1.5 dollars. Ines buys 3 loaves and "
        "8 buns and pays with 50 dollars. How many dollars does she get back?",
        "def solution():\n    loaves = 3 * 4\n    buns = 8 * 1.5\n    return 50 - loaves - buns",
        "def verify(answer):\n    return answer + 3 * 4 + 8 * 1.5 == 50",
    ),
    Example(
        "Out of 120 seats in a hall, a quarter are in the balcony. Two thirds of the other seats "
        "are taken. How many seats outside the balcony are free?",
        "def solution():\n"
        "    outside = 120 - 120 // 4\n"
        "    taken = outside * 2 // 3\n"
        "    return outside - taken",
        "def verify(answer):\n"
        "    outside = 120 * 3 // 4\n"
        "    return answer * 3 == outside and 0 <= answer <= outside",
    ),
    Example(
        "A tank holds 900 litres. One pump fills it at 12 litres a minute while a leak loses 3 "
        "litres a minute. How many minutes does it take to fill the empty tank?",
        "def solution():\n    net = 12 - 3\n    return 900 / net",
        "def verify(answer):\n"
        "    pumped = 12 * answer\n"
        "    lost = 3 * answer\n"
        "    return abs(pumped - lost - 900) < 1e-6",
    ),
    Example(
        "Omar is 5 years older than twice his sister's age. Together they are 32. How old is Omar?",
        "def solution():\n"
        "    # sister + (2 * sister + 5) = 32\n"
        "    sister = (32 - 5) / 3\n"
        "    return 2 * sister + 5",
        "def verify(answer):\n    sister = 32 - answer\n    return answer == 2 * sister + 5",
    ),
    Example(
        "A shop takes 20% off a coat of 85 euros and then another 10% off the lower price. What "
        "does the coat cost, in euros?",
        "def solution():\n"
        "    price = 85\n"
        "    price = price * (100 - 20) / 100\n"
        "    return price * (100 - 10) / 100",
        "def verify(answer):\n    return abs(answer / 0.9 / 0.8 - 85) < 1e-6",
    ),
    Example(
        "How many whole numbers from 1 to 200 are divisible by 6 but not by 4?",
        "def solution():\n    return sum(1 for n in range(1, 201) if n % 6 == 0 and n % 4 != 0)",
        "def verify(answer):\n"
        "    # Those divisible by 6, less those divisible by 12.\n"
        "    return answer == 200 // 6 - 200 // 12",
    ),
    Example(
        "A course starts on 20 February 2023 and lasts 45 days, the first one included. On which "
        "day of the month does it end?",
        "from datetime import date, timedelta\n"
        "\n"
        "def solution():\n"
        "    return (date(2023, 2, 20) + timedelta(days=44)).day",
        "def verify(answer):\n"
        "    days_of_february = 28 - 20 + 1\n"
        "    return days_of_february + 31 + answer == 45",
    ),
    Example(
        "A ladder of 6.5 metres leans on a wall with its foot 2.5 metres away from it. How high, "
        "in metres, does it reach?",
        "import math\n\ndef solution():\n    return math.sqrt(6.5**2 - 2.5**2)",
        "def verify(answer):\n    return abs(answer**2 + 2.5**2 - 6.5**2) < 1e-6",
    ),
)
