from __future__ import annotations

import pytest

from search.errors import SpecError
from search.yaml_text import SIZE_LIMIT, load_plain_yaml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [a,\n b: c", "line 2"),
        ("a: &x 1\n", "line 1, column 4: anchors and aliases"),
        ("a: *x\n", "anchors and aliases"),
        ("a:\n  - &x [1]\n  - *x\n", "line 2, column 5: anchors"),
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' appears twice"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "but found another document"),
        ("[" * 100_000, "nested deeper than 32 levels"),
        ("a: " + "x" * SIZE_LIMIT, "longer than 256 kB"),
        ("a: 2026-13-45\n", "not readable as YAML"),
        ("a: \x00\n", "not readable as YAML"),
        ("a: " + "9" * 5000, "not readable as YAML"),
        ("{[a]: 1}", "unhashable"),
    ],
)
def test_bad_documents_get_one_clear_error(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_plain_yaml(text)
    assert len(caught.value.errors) == 1
    assert caught.value.field == ""
    assert words in caught.value.message


def test_plain_documents_are_read() -> None:
    assert load_plain_yaml("a: [1, 2.5, {b: null}]\nc: ja\n") == {
        "a": [1, 2.5, {"b": None}],
        "c": "ja",
    }
    assert load_plain_yaml('{"a": 1}') == {"a": 1}
    assert load_plain_yaml("") is None
