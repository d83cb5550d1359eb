"""A model folder as one GGUF file, which llama.cpp and its kin read, by gguf's own writer.

Llama, Mistral and Qwen2 models with a byte-level byte-pair tokenizer, in the precision that the
folder has. GGUF has queries and keys of a Llama with the halves of each head interleaved
(transformers' `permute` the other way round), and norms in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merging.checkpoint import Parent, inspect_checkpoint
from merging.errors import CheckpointError
from merging.gguf_vocabulary import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from torch import Tensor

GGUF_NAME = "model.gguf"
"""What the file of an export is called."""

# Mistral's graph is Llama's.
_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2"}
_ROTATED = {"self_attn.q_proj": "num_attention_heads", "self_attn.k_proj": "num_key_value_heads"}


def check_gguf(folder: Path) -> None:
    """Raise CheckpointError, in one sentence, if the model in a folder has no form as GGUF."""
    if find_spec("gguf") is None:
        raise CheckpointError("writing GGUF needs gguf: install cuvee[gguf]")
    info = inspect_checkpoint(folder)
    _check_config(info.folder, info.config)
    read_vocabulary(info.folder, int(info.config["vocab_size"]))


def write_gguf(folder: Path, out: Path) -> None:
    """Write the model in a folder as a GGUF file. Memory is that of its projections of queries and
    keys; all else is read from the folder as it is written. Raises CheckpointError."""
    import gguf  # noqa: PLC0415

    check_gguf(folder)
    parent = Parent(inspect_checkpoint(folder))
    config = parent.info.config
    architecture = _ARCHITECTURES[config["model_type"]]
    writer = gguf.GGUFWriter(out, architecture)
    _write_shape(writer, config)
    _write_vocabulary(writer, read_vocabulary(folder, int(config["vocab_size"])))
    named = gguf.get_tensor_name_map(
        gguf.MODEL_ARCH.LLAMA if architecture == "llama" else gguf.MODEL_ARCH.QWEN2,
        parent.info.num_layers,
    )
    for name in parent.info.tensors:
        there = named.get_name(name, try_suffixes=(".weight", ".bias"))
        if there is None:
            raise CheckpointError(f"{folder}: GGUF has no tensor like {name!r}")
        tensor = parent.tensor(name)
        module = name.rpartition(".")[0]
        heads = next((config[key] for end, key in _ROTATED.items() if module.endswith(end)), None)
        if heads is not None and architecture == "llama":
            tensor = _interleaved(tensor, int(heads))
        _add(writer, there, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("model_type")
    if kind not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise CheckpointError(f"{folder}: is a {kind} model; GGUF is written of {known}")
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    rotation = rope.get("rope_type", rope.get("type", "default"))
    if rotation != "default":
        message = f"rotates positions by {rotation!r}, which is not written as GGUF"
        raise CheckpointError(f"{folder}: {message}")
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        raise CheckpointError(f"{folder}: a sliding window is not written as GGUF")


def _write_shape(writer: Any, config: Mapping[str, Any]) -> None:
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or config["hidden_size"] // heads)
    rope = config.get("rope_parameters") or {}
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope.get("rope_theta", config.get("rope_theta", 10000.0))))
    writer.add_rope_dimension_count(width)
    if width * heads != config["hidden_size"]:
        writer.add_key_length(width)
        writer.add_value_length(width)
    writer.add_vocab_size(config["vocab_size"])


def _write_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.cut)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    for role, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("pad", writer.add_pad_token_id),
        ("unk", writer.add_unk_token_id),
    ):
        if role in vocabulary.roles:
            add(vocabulary.roles[role])
    writer.add_add_bos_token(vocabulary.begins)
    if vocabulary.chat_template is not None:
        writer.add_chat_template(vocabulary.chat_template)


def _interleaved(tensor: Tensor, heads: int) -> Tensor:
    """Rows (heads x 2 halves x half a head) as (heads x half a head x 2 halves)."""
    shape = tensor.shape
    split = tensor.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return split.swapaxes(1, 2).reshape(shape)


def _add(writer: Any, name: str, tensor: Tensor) -> None:
    import gguf  # noqa: PLC0415
    import torch  # noqa: PLC0415

    if tensor.dim() == 1 or tensor.dtype == torch.float64:
        tensor = tensor.to(torch.float32)
    tensor = tensor.contiguous()
    if tensor.dtype == torch.bfloat16:
        # numpy has no such type: its bytes.
        kind = gguf.GGMLQuantizationType.BF16
        writer.add_tensor(name, tensor.view(torch.uint8).numpy(), raw_dtype=kind)
    else:
        writer.add_tensor(name, tensor.numpy())
