"""References to folders, adapters and pinned repositories; none leads out of its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from merging.checkpoint import content_digest, inspect_checkpoint
from merging.errors import CheckpointError
from merging.references import joined, parts, resolve
from tests.merging.conftest import Family
from tests.merging.test_adapters import write_adapter

COMMIT = "1234567890abcdef1234567890abcdef12345678"


@pytest.fixture
def root(tied: Family, tmp_path: Path) -> Path:
    """A models folder: two models, one with a plus in its name, and an adapter."""
    root = tmp_path / "models"
    for name in ("base", "a+b"):
        shutil.copytree(tied["base"], root / name)
    write_adapter(root / "adapter")
    return root


@pytest.fixture
def cache(tied: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache that holds one revision of org/name, under the branch main too."""
    cache = tmp_path / "hub"
    repository = cache / "models--org--name"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for number, path in enumerate(tied["base"].iterdir()):
        shutil.copyfile(path, repository / "blobs" / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.mark.parametrize("reference", ["base", "./base", "a+b"])
def test_folders(reference: str, root: Path) -> None:
    assert resolve(reference, root) == (root / reference).resolve()
    assert parts(resolve(reference, root)) == ((root / reference).resolve(), None)


@pytest.mark.parametrize("base", ["base", "a+b"])
def test_a_base_with_an_adapter(base: str, root: Path) -> None:
    path = resolve(f"{base}+adapter", root)
    assert path == joined(root / base, root / "adapter")
    assert parts(path) == (root / base, root / "adapter")
    assert inspect_checkpoint(path).folder == root / base


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_pinned_repository(revision: str, root: Path, cache: Path, tied: Family) -> None:
    path = resolve(f"org/name@{revision}", root)
    assert path == cache / "models--org--name" / "snapshots" / COMMIT
    assert content_digest(path) == content_digest(tied["base"])
    adapted = resolve(f"org/name@{revision}+adapter", root)
    assert parts(adapted) == (path, root / "adapter")


def test_an_adapter_may_name_a_pinned_repository(root: Path, cache: Path) -> None:
    write_adapter(root / "adapter", base_model_name_or_path="org/name", revision="main")
    base, adapter = parts(root / "adapter")
    assert base.is_relative_to(cache)
    assert adapter == root / "adapter"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("org/name@v2", "org/name@v2: is not in the local Hugging Face cache"),
        ("org/other@main", "org/other@main: is not in the local Hugging Face cache"),
        ("org/na--me@main", "is not in the local Hugging Face cache"),
        ("org/name", "there is no model 'org/name'; one of a repository is written"),
        ("gone+adapter", "there is no model 'gone'"),
        ("base+gone", "there is no model 'gone'"),
        ("../elsewhere", "lies outside the models folder"),
        ("/etc", "lies outside the models folder"),
        ("base+../elsewhere", "'../elsewhere' lies outside the models folder"),
        ("base+/etc", "'/etc' lies outside the models folder"),
        ("link", "lies outside the models folder"),
        ("base+link", "'link' lies outside the models folder"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_references_to_nothing_or_elsewhere(reference: str, message: str, root: Path) -> None:
    (root.parent / "elsewhere").mkdir()
    (root / "link").symlink_to(root.parent / "elsewhere")
    with pytest.raises(CheckpointError, match=message):
        resolve(reference, root)
