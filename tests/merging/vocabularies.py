"""Models of a few tokens each, with real tokenizers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from tests.merging.conftest import write_model

ENDS = ("<unk>", "</s>")


def write_words(folder: Path, words: Sequence[str], added: Sequence[str] = ()) -> None:
    """A tokenizer of whole words, in this order after `ENDS`, and of added tokens."""
    ids = {word: number for number, word in enumerate([*ENDS, *words])}
    tokenizer = Tokenizer(WordLevel(ids, "<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.add_tokens([AddedToken(token) for token in added])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "TokenizersBackend", "unk_token": "<unk>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_speaker(
    folder: Path,
    seed: int,
    words: Sequence[str],
    *,
    added: Sequence[str] = (),
    rows: int | None = None,
    tied: bool = True,
) -> Path:
    """A random model with a row for each of `ENDS`, words and added tokens, or of `rows` rows."""
    count = len(ENDS) + len(words) + len(added)
    write_model(
        folder,
        seed,
        vocab_size=count if rows is None else rows,
        bos_token_id=None,
        eos_token_id=ENDS.index("</s>"),
        tie_word_embeddings=tied,
    )
    write_words(folder, words, added)
    return folder
