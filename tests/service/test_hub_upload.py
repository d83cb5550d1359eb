"""Uploads by the real library to a hub on loopback: one commit, whatever goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants, snapshot_download

from service.exports.hub import UploadFailed, hub_token, upload
from service.settings import Settings
from tests.hub_server import hub_server
from tests.hub_state import TOKEN, Fault, Hub
from tests.tiny import write_llama

# It is the library's own call that its HTTP client warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

NAME = "me/child"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub_server() as serving:
        yield serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = write_llama(tmp_path_factory.mktemp("upload") / "child", 1)
    (out / "README.md").write_text("---\nlicense: mit\nbase_model:\n- a/b\n---\n\n# Child\n")
    return out


def send(hub: Hub, folder: Path, *, token: str = TOKEN, public: bool = False) -> str:
    api = HfApi(endpoint=hub.address, token=token)
    return upload(folder, NAME, public=public, message="The child", api=api, pauses=[0.0, 0.0])


def messages(hub: Hub) -> list[str]:
    return [commit.message for commit in hub.repositories[NAME].commits]


def test_a_folder_becomes_one_commit_of_a_private_repository(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    address = send(hub, folder)
    assert messages(hub) == ["initial commit", "The child"]
    assert hub.repositories[NAME].private
    assert address == f"{hub.address}/{NAME}/commit/{hub.repositories[NAME].head.oid}"
    back = Path(
        snapshot_download(NAME, endpoint=hub.address, token=TOKEN, local_dir=tmp_path / "back")
    )
    for path in folder.iterdir():
        assert (back / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_the_library_sends_is_what_the_server_was_written_for(hub: Hub, folder: Path) -> None:
    send(hub, folder)
    kinds = [f"{method} {_kind(path)}" for method, path, _ in hub.requests]
    assert list(dict.fromkeys(kinds)) == [
        "POST create",
        "GET info",
        "POST preupload",
        "POST batch",
        "PUT store",
        "POST verify",
        "POST validate-yaml",
        "POST commit",
    ]
    assert {status for _, _, status in hub.requests} == {200}


def test_an_upload_again_makes_no_other_commit(hub: Hub, folder: Path) -> None:
    first = send(hub, folder)
    assert send(hub, folder, public=True) == first
    assert messages(hub) == ["initial commit", "The child"]
    assert hub.count("PUT", "/store/") == 1
    assert hub.repositories[NAME].private


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/api/repos/create", "cut"),
        Fault("POST", "/api/repos/create", "lost"),
        Fault("GET", "/api/models/", 429),
        Fault("POST", "/preupload/", 500),
        Fault("POST", "/objects/batch", "cut"),
        Fault("PUT", "/store/", "cut"),
        Fault("PUT", "/store/", 500),
        Fault("POST", "/verify", 503),
        Fault("POST", "/api/validate-yaml", 500),
        Fault("POST", "/commit/", "cut"),
        Fault("POST", "/commit/", "lost"),
        Fault("POST", "/commit/", 500),
    ],
    ids=lambda fault: f"{fault.path} {fault.how}",
)
def test_what_passes_is_tried_again_and_leaves_one_commit(
    hub: Hub, folder: Path, fault: Fault
) -> None:
    hub.faults = [fault]
    address = send(hub, folder)
    assert fault.times == 0
    assert messages(hub) == ["initial commit", "The child"]
    assert address.endswith(hub.repositories[NAME].head.oid)


def test_an_upload_cut_midway_sends_the_rest_when_it_is_asked_for_again(
    hub: Hub, tmp_path: Path
) -> None:
    folder = tmp_path / "child"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    for number in (1, 2, 3):
        (folder / f"model-0000{number}-of-00003.safetensors").write_bytes(bytes([number]) * 999)
    hub.faults = [Fault("POST", "/commit/", 500, times=3)]
    with pytest.raises(UploadFailed, match="500"):
        send(hub, folder)
    assert messages(hub) == ["initial commit"]
    assert hub.count("PUT", "/store/") == 3
    send(hub, folder)
    assert messages(hub) == ["initial commit", "The child"]
    assert hub.count("PUT", "/store/") == 3
    assert len(hub.repositories[NAME].head.files) == 5


def test_large_files_go_in_parts(hub: Hub, folder: Path) -> None:
    hub.chunk_size = 20_000
    hub.faults = [Fault("PUT", "/2", "cut")]
    send(hub, folder)
    weights = (folder / "model.safetensors").read_bytes()
    assert len(hub.parts) == -(-len(weights) // 20_000)
    assert hub.repositories[NAME].head.files["model.safetensors"] == weights


@pytest.mark.parametrize("when", ["before", "midway"])
def test_an_expired_token_is_told_at_once_and_never_shown(
    hub: Hub, folder: Path, when: str
) -> None:
    if when == "before":
        hub.tokens = {"another"}
    else:
        hub.faults = [Fault("POST", "/commit/", 401)]
    with pytest.raises(UploadFailed, match="401") as caught:
        send(hub, folder)
    assert TOKEN not in str(caught.value)
    assert len(hub.requests) < 12


def test_signed_addresses_stay_out_of_reasons(hub: Hub, folder: Path) -> None:
    hub.faults = [Fault("PUT", "/store/", 403)]
    with pytest.raises(UploadFailed, match="403") as caught:
        send(hub, folder)
    assert "Signature" not in str(caught.value)


def test_another_export_takes_the_place_of_the_weights_before(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    (sharded / "README.md").write_text("---\nlicense: mit\n---\n")
    for name in ("model-00001-of-00002", "model-00002-of-00002"):
        (sharded / f"{name}.safetensors").write_bytes(name.encode())
    (sharded / "model.safetensors.index.json").write_text("{}")
    send(hub, sharded)
    send(hub, folder)
    files = hub.repositories[NAME].head.files
    assert [name for name in files if name.startswith("model")] == ["model.safetensors"]
    assert ".gitattributes" in files


def test_a_card_that_the_hub_refuses_is_an_error_before_the_commit(
    hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\nbase_model: ['no repository']\n---\n")
    with pytest.raises(UploadFailed, match="is no repository"):
        send(hub, tmp_path)
    assert messages(hub) == ["initial commit"]


def test_the_token_is_the_secret_files_before_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    assert hub_token(Settings()) == "hf_environment"
    secret = tmp_path / "token"
    secret.write_text("hf_file\n")
    settings = Settings(hub_token_file=secret)
    assert hub_token(settings) == "hf_file"
    assert "hf_file" not in repr(settings)
    secret.unlink()
    with pytest.raises(OSError, match="token"):
        hub_token(settings)


def _kind(path: str) -> str:
    if path.startswith("/store/"):
        return "verify" if path.endswith("/verify") else "store"
    for kind in ("create", "preupload", "batch", "validate-yaml", "commit"):
        if f"/{kind}" in path:
            return kind
    return "info"
