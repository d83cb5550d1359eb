"""Settings: each one documented, from the environment and from a file, and wrong ones refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings

_PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def test_the_page_has_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `CUVEE_(\w+)` \|[^|]*\| ([^|]*) \|", _PAGE, re.MULTILINE))
    assert {name.lower() for name in rows} == set(Settings.model_fields)
    for name, told in rows.items():
        default = Settings.model_fields[name.lower()].default
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert float(told.strip("`")) == default
        elif isinstance(default, str):
            assert told.strip("`") == default


def test_the_environment_outranks_the_file_and_an_option_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cuvee.toml"
    file.write_text('port = 1\nworkers = 3\nhost = "::1"\n')
    monkeypatch.setenv("CUVEE_FILE", str(file))
    monkeypatch.setenv("CUVEE_PORT", "2")
    monkeypatch.setenv("CUVEE_WORKERS", "4")
    settings = Settings(workers=5)
    assert (settings.host, settings.port, settings.workers) == ("::1", 2, 5)


@pytest.mark.parametrize(
    ("text", "wrong"), [("ports = 1", "ports"), ("port = 99999", "port"), ("port = [1]", "port")]
)
def test_a_wrong_file_is_refused_by_its_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, wrong: str
) -> None:
    file = tmp_path / "cuvee.toml"
    file.write_text(text)
    monkeypatch.setenv("CUVEE_FILE", str(file))
    with pytest.raises(ValidationError) as error:
        Settings()
    assert error.value.errors()[0]["loc"] == (wrong,)


def test_a_file_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUVEE_FILE", str(tmp_path / "none.toml"))
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        Settings()
