"""Finding the program in an answer."""

from __future__ import annotations

import pytest

from evaluators.answering.program_text import Missing, find_program

SOLVES = "def solution():\n    return 5\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"```python\n{SOLVES}```", SOLVES),
        (f"Sure!\n\n```Python\n{SOLVES}```\nSo it is 5.", SOLVES),
        (f"```\n{SOLVES}```", SOLVES),
        (f"```python\n{SOLVES}", SOLVES),
        (f"  ```py\n{SOLVES}  ```", SOLVES),
        (f"```python\nx = 1\n```\nBetter:\n```python\n{SOLVES}```", SOLVES),
        (f"```python\n{SOLVES}```\nIt prints\n```python\nprint(solution())\n```", SOLVES),
        (f"```bash\npip install x\n```\n```python\n{SOLVES}```", SOLVES),
        ("```python\nprint(2 + 3)\n```", "print(2 + 3)\n"),
        (f"Here it is:\n{SOLVES}", SOLVES),
        (f"import math\n{SOLVES}", f"import math\n{SOLVES}"),
        (f"The program:\nimport math\n\n{SOLVES}\nThis gives 5.", f"import math\n\n{SOLVES}\n"),
        (f"{SOLVES}\nfor you I also say: 5", f"{SOLVES}\n"),
    ],
)
def test_what_is_taken_in_a_chat(text: str, code: str) -> None:
    assert find_program(text).code == code


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "no_program"),
        ("The answer is 5.", "no_program"),
        ("def helper():\n    return 5\n", "no_program"),
        ("  def solution(): nested in nothing", "no_program"),
        ("```javascript\nfunction solution() { return 5 }\n```", "other_language"),
        ("```c++\nint main() {}\n```", "other_language"),
    ],
)
def test_what_is_none_in_a_chat(text: str, missing: Missing) -> None:
    written = find_program(text)
    assert (written.code, written.missing) == ("", missing)


def test_an_opened_block_ends_where_it_is_closed() -> None:
    assert find_program(SOLVES, opened=True).code == SOLVES
    assert find_program(f"{SOLVES}```\nAnd so on.", opened=True).code == SOLVES
    for text in ("5", "12+5=17", "答えは17です。", f"```\n{SOLVES}"):
        assert find_program(text, opened=True).missing == "no_program"
