"""How an export is asked for, and how it leaves the API."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.tables import Export

_REPOSITORY = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
Repository = Annotated[str, StringConstraints(pattern=f"^{_REPOSITORY}$")]
Target = Annotated[str, StringConstraints(pattern=f"^hub:{_REPOSITORY}$")]


class ExportRequest(BaseModel):
    """Which child to export, and where to; the folder is the service's to choose."""

    model_config = ConfigDict(extra="forbid")

    trial: int | None = Field(
        default=None, ge=0, lt=2**31, description="A trial; default: the best."
    )
    target: Target | None = Field(
        default=None,
        description="`hub:owner/name` to upload it to that repository too, which is made if it is "
        "not there.",
    )
    public: bool = Field(default=False, description="Make a new repository public; else private.")
    dry_run: bool = Field(
        default=False, description="Write the folder, say what would be uploaded, upload nothing."
    )
    gguf: bool = Field(
        default=False, description="Write the child as a GGUF file too, for llama.cpp and its kin."
    )
    parents: dict[str, Repository] = Field(
        default={},
        description="For the model card: the repositories of models that lie in the models folder, "
        "by their names in the spec.",
    )

    @property
    def repository(self) -> str | None:
        """The target's owner/name."""
        return None if self.target is None else self.target.removeprefix("hub:")


class ExportedFile(BaseModel):
    """A file of an export, and its size in bytes."""

    path: str
    size: int


class ExportView(BaseModel):
    """One export and where it lies."""

    id: str
    job_id: str
    trial: int
    folder: str = Field(description="The checkpoint's folder, whole once its files are listed.")
    files: list[ExportedFile] = Field(description="What the folder holds, and what is uploaded.")
    repository: str | None = Field(description="Its repository on the hub, if it goes there.")
    public: bool
    dry_run: bool
    gguf: bool
    warnings: list[str] = Field(description="What to mind before publishing it.")
    uploaded: int = Field(description="Bytes uploaded so far.")
    size: int | None = Field(description="Bytes to upload, once that is known.")
    commit: str | None = Field(description="The uploaded commit's address.")
    state: str = Field(description="queued, uploading, finished or failed")
    reason: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, export: Export) -> ExportView:
        """The view of one export row, with the files that are there."""
        fields = {name: getattr(export, name) for name in cls.model_fields if name != "files"}
        return cls(**fields, files=files_of(Path(export.folder)))


def files_of(folder: Path) -> list[ExportedFile]:
    """The files of an exported folder, by name; none while it is not there."""
    if not folder.is_dir():
        return []
    return [
        ExportedFile(path=path.name, size=path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]
