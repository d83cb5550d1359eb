"""The one tokenizer that all models of the zoo share: whole words, single digits, punctuation.

An English word carries the space before it, and Japanese words are cut by longest match, so that
decoding is plain concatenation.
"""

from __future__ import annotations

import random
import re
from itertools import islice

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from evaluators import word_problems_wording
from zoo import corpus, narration
from zoo.plan import ARCHITECTURE

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
_SAMPLES_PER_KIND = 2000


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Vocabulary: special tokens, the Japanese word lists, and all else that documents contain.

    A text gets `BOS` in front and nothing behind, which is what a prompt needs.
    """
    pattern = _pattern()
    found: set[str] = set()
    for kind in corpus.KINDS.values():
        for text in islice(kind(random.Random(0)), _SAMPLES_PER_KIND):
            found.update(pattern.findall(text))
    words = sorted(found | set(japanese_words()))
    vocabulary = {word: i for i, word in enumerate([PAD, BOS, EOS, UNK, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern.pattern), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS} $B",
        special_tokens=[(BOS, vocabulary[BOS])],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        padding_side="left",
        model_max_length=int(ARCHITECTURE["max_position_embeddings"]),
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def japanese_words() -> list[str]:
    """All Japanese words, longest first, which makes a regular expression match the longest."""
    words = {
        *word_problems_wording.JAPANESE_WORDS,
        *narration.JAPANESE_WORDS,
        *corpus.JAPANESE_WORDS,
    }
    return sorted(words, key=lambda word: (-len(word), word))


def _pattern() -> re.Pattern[str]:
    japanese = "|".join(japanese_words())
    return re.compile(rf"{japanese}| ?[A-Za-z]+:?|[0-9]|[^0-9A-Za-z]")
