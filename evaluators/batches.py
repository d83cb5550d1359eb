"""A task's prompts as batches of tokens, made once and gone through by every candidate.

Batches are a function of the items, the tokenizer and the settings alone, never of timing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from transformers import PreTrainedTokenizerBase

from evaluators.chat import Chat
from evaluators.errors import GenerationFailed
from evaluators.kv_cache import BatchCache
from evaluators.shared_prefix import common_prefix
from evaluators.stops import StopStrings
from evaluators.task import GenerationSettings, Item


@dataclass(frozen=True)
class Limits:
    """What a batch may hold.

    At most `rows`, for more would push a small model's keys and values out of the processor's
    cache; and at most `cells` tokens (prompt and answer) in all its rows, which bounds a large
    model's memory. A shared prefix counts once, and is set apart from `prefix` tokens on: to attend
    to a shorter one apart costs more than to compute it in every row.
    """

    rows: int = 128
    cells: int = 24576
    prefix: int = 32


@dataclass(frozen=True)
class Batch:
    """Prompts of similar length: their places in the result and their tokens, shortest first."""

    places: tuple[int, ...]
    prompts: tuple[tuple[int, ...], ...]


@dataclass
class Batches:
    """Prompts ready for any model that uses this tokenizer; not shared by threads.

    `prefix` is what all prompts start with, and `batches` hold what follows it; `whole` are the
    batches of a model that cannot share the prefix, and the same ones where there is none.
    """

    ids: tuple[str, ...]
    prompts: tuple[tuple[int, ...], ...]
    prefix: tuple[int, ...]
    batches: tuple[Batch, ...]
    whole: tuple[Batch, ...]
    settings: GenerationSettings
    limits: Limits
    tokenizer: PreTrainedTokenizerBase
    stops: StopStrings
    end_tokens: frozenset[int] = frozenset()
    cache: BatchCache = field(default_factory=BatchCache)

    @property
    def count(self) -> int:
        """The number of completions: an item's samples beside each other."""
        return len(self.prompts) * self.settings.samples

    def sample(self, place: int) -> tuple[str, int]:
        """Which item's completion has this place in the result, and which of its samples it is."""
        item, number = divmod(place, self.settings.samples)
        return self.ids[item], number

    def part(self, places: Sequence[int]) -> Batches:
        """The items at these places in this order, batched as if there were no others.

        The memory of keys and values is shared with the whole: one of both runs at a time.
        """
        prompts = tuple(self.prompts[place] for place in places)
        prefix, batches, whole = _arrange(prompts, self.settings, self.limits)
        ids = tuple(self.ids[place] for place in places)
        return replace(self, ids=ids, prompts=prompts, prefix=prefix, batches=batches, whole=whole)


def prepare(
    items: Sequence[Item],
    tokenizer: PreTrainedTokenizerBase,
    settings: GenerationSettings,
    *,
    chat: Chat | None = None,
    limits: Limits | None = None,
) -> Batches:
    """Tokenise and batch prompts, with the special tokens that the tokenizer puts around a text,
    or as turns of a chat, whose end tokens then end a completion beside the model's own.

    Raises GenerationFailed when a prompt is empty, and the tokenizer has no token to start from.
    """
    limits = limits or Limits()
    prompts = tuple(
        chat.prompt_tokens(item.prompt, tokenizer)
        if chat
        else prompt_tokens(item.prompt, tokenizer)
        for item in items
    )
    prefix, batches, whole = _arrange(prompts, settings, limits)
    return Batches(
        ids=tuple(item.id for item in items),
        prompts=prompts,
        prefix=prefix,
        batches=batches,
        whole=whole,
        settings=settings,
        limits=limits,
        tokenizer=tokenizer,
        stops=StopStrings(settings.stop, tokenizer),
        end_tokens=chat.end_tokens(tokenizer) if chat else frozenset(),
    )


def prompt_tokens(prompt: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """A prompt's tokens; of an empty one the token that texts start with.

    Raises GenerationFailed when the tokenizer has no such token.
    """
    tokens = tuple(tokenizer(prompt)["input_ids"])
    if tokens:
        return tokens
    for start in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(start, int):
            return (start,)
    raise GenerationFailed("an empty prompt has no token to start from in this tokenizer")


def _arrange(
    prompts: Sequence[tuple[int, ...]], settings: GenerationSettings, limits: Limits
) -> tuple[tuple[int, ...], tuple[Batch, ...], tuple[Batch, ...]]:
    """The shared prefix, the batches of what follows it, and those of whole prompts."""
    whole = _batches(prompts, settings, limits.rows, limits.cells)
    shared = common_prefix(prompts) if len(prompts) > 1 else 0
    if shared < limits.prefix:
        return (), whole, whole
    rests = [prompt[shared:] for prompt in prompts]
    batches = _batches(rests, settings, limits.rows, limits.cells - shared)
    return prompts[0][:shared], batches, whole


def _batches(
    prompts: Sequence[tuple[int, ...]], settings: GenerationSettings, rows: int, cells: int
) -> tuple[Batch, ...]:
    batches: list[list[int]] = [[]]
    for place in sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i)):
        columns = len(prompts[place]) + settings.max_new_tokens
        for sample in range(settings.samples):
            taken = len(batches[-1])
            if taken and (taken == rows or (taken + 1) * columns > cells):
                batches.append([])
            batches[-1].append(place * settings.samples + sample)
    return tuple(
        Batch(tuple(places), tuple(prompts[place // settings.samples] for place in places))
        for places in batches
        if places
    )
