"""Gradients, filters, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.values import Choice, Conditional, Scalar, parse_setting, plain_setting, resolve

NUMBERS = st.floats(-10, 10) | st.integers(-10, 10)
GRADIENTS = st.lists(NUMBERS, min_size=1, max_size=5)
CONDITIONS = st.fixed_dictionaries(
    {"value": NUMBERS | GRADIENTS}, optional={"filter": st.sampled_from(["*", "mlp", "attn"])}
)
RAW_SETTINGS = NUMBERS | st.booleans() | GRADIENTS | st.lists(CONDITIONS, min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("t", "expected"), [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.75, 1.5), (1.0, 0.0)]
)
def test_a_gradient_is_piecewise_linear(t: float, expected: float) -> None:
    assert resolve((1, 3, 0), "any", t) == pytest.approx(expected)


@pytest.mark.parametrize(("t", "expected"), [(0.0, True), (0.49, True), (0.5, False), (1.0, True)])
def test_a_gradient_of_switches_holds_each_until_the_next(t: float, expected: bool) -> None:
    knots: tuple[Scalar, ...] = (True, False, True)
    assert resolve(knots, "any", t) is expected


def test_the_first_matching_filter_decides() -> None:
    setting = parse_setting(
        [{"filter": "mlp", "value": [0, 1]}, {"filter": "layers.1.", "value": 7}, {"value": 9}]
    )
    assert resolve(setting, "layers.1.mlp.up", 0.5) == 0.5
    assert resolve(setting, "layers.1.attn.q", 0.5) == 7
    assert resolve(setting, "layers.10.attn.q", 0.5) == 9


def test_no_match_is_no_value() -> None:
    assert resolve(Choice((Conditional(1.0, "mlp"),)), "layers.0.attn", 0.0) is None


def test_one_condition_may_stand_without_a_list() -> None:
    assert parse_setting({"filter": "*", "value": 2}) == Choice((Conditional(2),))


def test_a_number_in_text_is_read() -> None:
    assert parse_setting(["1e-3", 1]) == (0.001, 1)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "the list is empty"),
        (None, "must be a number"),
        ("many!", "'many!' is neither a number"),
        (float("nan"), "finite"),
        ([0.1, float("inf")], "finite"),
        ([0.1, [0.2]], "must be a number"),
        ([{"filter": "mlp"}], "{filter, value}"),
        ([{"value": 1, "weight": 2}], "{filter, value}"),
        ([{"filter": 3, "value": 1}], "a filter must be text"),
        ([{"value": [{"value": 1}]}], "a filter's value"),
        ([1, {"value": 1}], "must be a number"),
    ],
)
def test_what_is_no_setting(raw: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_setting(raw)


@given(RAW_SETTINGS)
def test_plain_data_and_back(raw: object) -> None:
    setting = parse_setting(raw)
    assert parse_setting(plain_setting(setting)) == setting
    assert parse_setting(setting) == setting


@given(GRADIENTS, st.floats(0, 1))
def test_a_gradient_stays_between_its_knots(knots: list[float], t: float) -> None:
    value = resolve(tuple(knots), "any", t)
    assert isinstance(value, int | float)
    assert min(knots) - 1e-9 <= value <= max(knots) + 1e-9
