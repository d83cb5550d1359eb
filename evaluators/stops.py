"""Stop strings, looked for only after tokens that can complete one.

Decoding every row at every step would cost more than a small model's forward pass. A token can
complete a stop string only if its text holds the string's last character, so each token of the
vocabulary is classified once, and the decoder looks at the text after such tokens only.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedTokenizerBase

# A character can be spread over four byte tokens, and a few tokens have no text at all.
_TOKENS_PER_CHARACTER = 4
_SPARE_TOKENS = 8


class StopStrings:
    """The stop strings of one task, for one tokenizer."""

    def __init__(self, stop: tuple[str, ...], tokenizer: PreTrainedTokenizerBase) -> None:
        self._stop = tuple(string for string in stop if string)
        self._tokenizer = tokenizer
        self._tail = _TOKENS_PER_CHARACTER * max(map(len, self._stop), default=0) + _SPARE_TOKENS
        self.completing = self._completing()

    def reached(self, tokens: list[int]) -> bool:
        """Whether the text of generated tokens holds a stop string, given that the last may end it.

        The tail decides cheaply; the whole text confirms, for a tail may decode differently.
        """
        return self._in(tokens[-self._tail :]) and self._in(tokens)

    def cut(self, text: str) -> str:
        """The text before the first stop string."""
        places = [place for string in self._stop if (place := text.find(string)) >= 0]
        return text[: min(places)] if places else text

    def _in(self, tokens: list[int]) -> bool:
        text = self._tokenizer.decode(tokens)
        return any(string in text for string in self._stop)

    def _completing(self) -> torch.Tensor:
        """For each token id of the tokenizer whether it can complete a stop string."""
        count = len(self._tokenizer)
        last = {string[-1] for string in self._stop}
        if not last:
            return torch.zeros(count, dtype=torch.bool)
        if any(character.isspace() and character != "\n" for character in last):
            # Decoders put spaces between tokens, where no token's own text shows them.
            return torch.ones(count, dtype=torch.bool)
        texts = self._tokenizer.batch_decode([[token] for token in range(count)])
        return torch.tensor([_may_complete(text, last) for text in texts], dtype=torch.bool)


def _may_complete(text: str, last: set[str]) -> bool:
    # U+FFFD is a part of a character whose rest is in other tokens.
    return "\ufffd" in text or not last.isdisjoint(text)
