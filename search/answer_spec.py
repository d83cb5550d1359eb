"""How a task's questions are to be answered, as a user asks for it.

A way is a mapping with its `kind`, or the kind alone: `answer: program`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

Tokens = Annotated[int, Field(ge=1, le=1 << 16)]
Weight = Annotated[float, Field(ge=0)]


class _Way(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DirectAnswer(_Way):
    """As the task itself asks."""

    kind: Literal["direct"] = "direct"


class ChainOfThoughtAnswer(_Way):
    """Step by step in words, in up to `max_new_tokens` tokens.

    `agreement` counts, on the select and holdout splits, how often a program gives the same answer.
    """

    kind: Literal["chain_of_thought"]
    max_new_tokens: Tokens = 512
    agreement: bool = False


class ProgramAnswer(_Way):
    """By a program, which a sandbox runs; its value is the answer.

    The prompt shows `shots` worked examples. `agreement` counts, on the select and holdout splits,
    how often a chain of thought gives the same answer.
    """

    kind: Literal["program"]
    shots: int = Field(default=8, ge=0, le=8)
    max_new_tokens: Tokens = 512
    agreement: bool = False


class _Sampling(_Way):
    samples: int = Field(default=5, ge=2, le=256)
    temperature: float = Field(default=0.7, gt=0, le=10)
    top_p: float = Field(default=1.0, gt=0, le=1)


class SelfVerificationAnswer(_Sampling):
    """By `samples` programs, each of which checks its own answer; they vote.

    `weights` are those of a vote whose check says True, nothing certain, and False.
    """

    kind: Literal["self_verification"]
    shots: int = Field(default=8, ge=0, le=8)
    max_new_tokens: Tokens = 768
    weights: tuple[Weight, Weight, Weight] = (1.0, 0.5, 0.2)

    @field_validator("weights")
    @classmethod
    def _in_order(cls, weights: tuple[float, float, float]) -> tuple[float, float, float]:
        believed, uncertain, doubted = weights
        if not believed > uncertain >= doubted:
            raise ValueError("are for True, Uncertain and False, so the first is the greatest")
        return weights


def _long_form(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


_Single = Annotated[
    DirectAnswer | ChainOfThoughtAnswer | ProgramAnswer, Field(discriminator="kind")
]
_SingleKind = Literal["direct", "chain_of_thought", "program"]


class SelfConsistencyAnswer(_Sampling):
    """The majority of `samples` answers, each given the way `of` says."""

    kind: Literal["self_consistency"]
    of: Annotated[
        _Single, BeforeValidator(_long_form, json_schema_input_type=_SingleKind | _Single)
    ] = ChainOfThoughtAnswer(kind="chain_of_thought")

    @field_validator("of")
    @classmethod
    def _not_compared(cls, of: _Single) -> _Single:
        if not isinstance(of, DirectAnswer) and of.agreement:
            raise ValueError("agreement is measured without samples")
        return of


_Any = Annotated[
    DirectAnswer
    | ChainOfThoughtAnswer
    | ProgramAnswer
    | SelfVerificationAnswer
    | SelfConsistencyAnswer,
    Field(discriminator="kind"),
]
_Kind = Literal[_SingleKind, "self_verification", "self_consistency"]
Answer = Annotated[_Any, BeforeValidator(_long_form, json_schema_input_type=_Kind | _Any)]
