"""What an archive says about itself, and where its files lie.

In the folder: manifest.json, base.safetensors, merged.safetensors, and for every parent
parents/NAME with mask.safetensors beside the parent's own config and tokenizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from merging.errors import CheckpointError

BASE_FILE = "base.safetensors"
MERGED_FILE = "merged.safetensors"
MASK_FILE = "mask.safetensors"

# A multiple of 8, so that every tile's mask is whole bytes.
TILE = 1 << 20

_MANIFEST = "manifest.json"

ParentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
FloatType = Literal["float64", "float32", "float16", "bfloat16"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ParentEntry(_Part):
    """`digest` of the parent's content, its lambda, and the type of each floating tensor."""

    digest: str
    threshold: float = Field(alias="lambda", ge=0, allow_inf_nan=False)
    dtypes: dict[str, FloatType]


class Manifest(_Part):
    """`cuvee` is the version that wrote the archive, `base_digest` of the base's content."""

    format: Literal["cuvee tall masks"] = "cuvee tall masks"
    version: Literal[1] = 1
    cuvee: str
    base_digest: str
    parents: dict[ParentName, ParentEntry]

    def write(self, folder: Path) -> None:
        """Write manifest.json."""
        text = self.model_dump_json(indent=2, by_alias=True)
        (folder / _MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Raises CheckpointError if the folder is no archive, or one of another version."""
    path = folder / _MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: holds no {_MANIFEST}, so `cuvee compress` did not write it"
        )
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"])) or "manifest"
        raise CheckpointError(f"{path}: {field}: {first['msg']}") from None


def parent_folder(archive: Path, parent: str) -> Path:
    """Where a parent's mask and its other files lie."""
    return archive / "parents" / parent
