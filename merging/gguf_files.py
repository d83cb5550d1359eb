"""GGUF files as parents: converted once to a model folder of float32, which is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from merging.digests import digest_of_files
from merging.errors import CheckpointError
from merging.folders import copy_description, whole_folder
from merging.model_files import INDEX, TOKENIZER_FILES, TensorInfo, read_headers

_PACKAGES = ("gguf", "accelerate")


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that a path means: itself, or the only one in a folder without safetensors.

    Raises CheckpointError if there are several to choose from.
    """
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    if (path / INDEX).is_file() or (path / "model.safetensors").is_file():
        return None
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise CheckpointError(f"{path}: holds several GGUF files; name one of {names}")
    return files[0] if files else None


@dataclass(frozen=True)
class Description:
    """What a GGUF file's model folder holds, or will: `folder` has its config and tokenizer."""

    folder: Path
    tensors: Mapping[str, TensorInfo]


def converted(path: Path, file: Path) -> Path:
    """The model folder of a GGUF file, made if it is not there yet.

    Quantised weights become the float32 numbers that they stand for. Where `path` is the file's
    folder, a config, a tokenizer and templates in it come before the file's own. The folder is
    named by the content of all of them, in the user's cache ($XDG_CACHE_HOME/cuvee/gguf, by
    default under ~/.cache). Needs the memory of the model in float32, twice.

    Raises CheckpointError if the file cannot be read, or the packages that read it are missing.
    """
    out, beside = _place(path, file)
    with FileLock(out.with_name(f"{out.name}.lock")):
        if not out.is_dir():
            _check_packages(file)
            _convert(file, beside, out)
    return out


def is_converted(path: Path, file: Path) -> bool:
    """Whether `converted` finds what it needs."""
    return _place(path, file)[0].is_dir()


def described(path: Path, file: Path) -> Description:
    """What `converted` will give, from the file's header alone; raises CheckpointError as it does.

    It is kept beside the folder itself.
    """
    out, beside = _place(path, file)
    folder = out.with_name(f"{out.name}.described")
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            _check_packages(file)
            from merging.gguf_conversion import write_description  # noqa: PLC0415

            with whole_folder(folder) as draft:
                write_description(file, draft, tokenizer=not _has_tokenizer(beside))
                if beside is not None:
                    copy_description(beside, draft)
    return Description(folder, read_headers(folder))


def _place(path: Path, file: Path) -> tuple[Path, Path | None]:
    """The model folder of a GGUF file, and the folder whose other files count."""
    beside = path if path.is_dir() else None
    others = [] if beside is None else sorted(one for one in beside.iterdir() if one.is_file())
    named = [("model.gguf", file), *((one.name, one) for one in others if one != file)]
    out = _cache() / digest_of_files(named)
    out.parent.mkdir(parents=True, exist_ok=True)
    return out, beside


def _check_packages(file: Path) -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        wanted = " and ".join(missing)
        raise CheckpointError(f"{file}: reading GGUF needs {wanted}: install cuvee[gguf]")


def _has_tokenizer(beside: Path | None) -> bool:
    return beside is not None and any((beside / name).is_file() for name in TOKENIZER_FILES)


def _convert(file: Path, beside: Path | None, out: Path) -> None:
    # Whoever only looks at folders need not load torch.
    from merging.gguf_conversion import write_model, write_tokenizer  # noqa: PLC0415

    with whole_folder(out) as draft:
        write_model(file, draft)
        if not _has_tokenizer(beside):
            write_tokenizer(file, draft)
        if beside is not None:
            copy_description(beside, draft)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "cuvee" / "gguf"
