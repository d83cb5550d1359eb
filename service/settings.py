"""The service's settings: options of `cuvee serve`, variables `CUVEE_*`, or a file."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet
from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy import URL

from service.logs import LogFormat, LogLevel


class Settings(BaseSettings):
    """Everything an operator may set; each field is an environment variable `CUVEE_<FIELD>`.

    What the environment leaves out is read from the TOML file that `CUVEE_FILE` names.
    """

    # An error must not show the value: it may be a secret.
    model_config = SettingsConfigDict(
        env_prefix="CUVEE_", extra="forbid", hide_input_in_errors=True
    )

    data_dir: Path = Field(
        default=Path("cuvee-data"), description="Where the database and the exports are kept."
    )
    database: str | None = Field(
        default=None,
        description="The database's URL: postgresql+psycopg://user@host/name for PostgreSQL. "
        "Default: SQLite, in the data folder.",
    )
    models_dir: Path = Field(
        default=Path(), description="The folder that a job's model references are relative to."
    )
    tasks_dir: Path | None = Field(
        default=None,
        description="The operator's own tasks: JSONL files and lm-eval YAML files. Task files "
        "may run code, so only this folder is read, never a path from a request.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; beyond loopback only once there are tokens.",
    )
    port: int = Field(default=8642, ge=0, le=65535, description="Port; 0 picks a free one.")
    local: bool = Field(
        default=False,
        description="Local mode: whoever reaches the service on loopback needs no token.",
    )
    allowed_hosts: list[str] = Field(
        default=[],
        description="Names besides the loopback ones that requests may be for, as a JSON list; "
        "needed beyond loopback.",
    )
    request_rate: float = Field(
        default=50.0,
        ge=0,
        description="Requests a second that one token may make in the long run; 0 for no limit.",
    )
    request_burst: int = Field(
        default=200, ge=1, description="Requests that one token may make at once."
    )
    workers: int = Field(
        default=2,
        ge=0,
        description="Ray actors that evaluate candidates, one CPU each; 0 serves the API only.",
    )
    worker_memory: float | None = Field(
        default=None,
        gt=0,
        description="Gigabytes of memory that one worker may have besides the parents, which are "
        "mapped: a candidate that needs more fails. Default: as many as there are; then Ray ends "
        "workers when the machine has hardly any left.",
    )
    ray_address: str | None = Field(
        default=None,
        description="host:port of a Ray cluster for the workers, which has a node on this machine. "
        "Default: a Ray of the service's own.",
    )
    device: str = Field(
        default="cpu", description="Where workers build and score candidates: cpu or cuda."
    )
    kept_answers: int = Field(
        default=20,
        ge=0,
        le=10_000,
        description="How many trials of a job, the best, have their answers on the search split "
        "kept word for word, beside the parents'; 0 keeps none of anybody's.",
    )
    hub_token_file: Path | None = Field(
        default=None,
        description="A file with the operator's Hugging Face token, which is used in local mode "
        "alone; without one it is HF_TOKEN, or what `hf auth login` left.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="The key that the database's secrets are sealed under, of `cuvee key`; after a "
        "comma, earlier ones.",
    )
    secret_key_file: Path | None = Field(
        default=None, description="A file with that key, where it is not in the environment."
    )
    webhook_networks: list[IPvAnyNetwork] = Field(
        default=[],
        description="Networks besides the public ones that webhooks may be sent to, as a JSON "
        'list, such as ["10.0.0.0/8"].',
    )
    quota_running_jobs: int | None = Field(
        default=None,
        ge=0,
        description="Jobs that one owner may have at work; others wait. Default: no limit.",
    )
    quota_queued_jobs: int | None = Field(
        default=None, ge=0, description="Jobs that one owner may have waiting. Default: no limit."
    )
    quota_trials_per_day: int | None = Field(
        default=None,
        ge=0,
        description="Trials that one owner's jobs may begin in 24 hours. Default: no limit.",
    )
    quota_export_gigabytes: float | None = Field(
        default=None,
        ge=0,
        description="Disk space of one owner's exports. Default: no limit.",
    )

    log_format: LogFormat = Field(
        default="text", description="How the service logs to standard error: text or json."
    )
    log_level: LogLevel = Field(
        default="info", description="The least that is logged: debug, info, warning or error."
    )
    download_gigabytes: float = Field(
        default=100.0,
        ge=0,
        description="Disk space for models of the Hugging Face hub, which jobs may name; those "
        "that were not used for longest make room for others. 0 downloads nothing.",
    )

    lease_seconds: float = Field(
        default=10.0,
        ge=1,
        le=600,
        description="How long a job stays with a service that does not answer for it any more; "
        "then another one on the same database takes it over.",
    )
    drain_seconds: float = Field(
        default=20.0,
        ge=0,
        description="How long a service that is told to end waits for what its workers do.",
    )

    @field_validator("database")
    @classmethod
    def _supported(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("postgresql+psycopg://", "sqlite:///")):
            raise ValueError("a URL begins with postgresql+psycopg:// or sqlite:///")
        return url

    @field_validator("secret_key")
    @classmethod
    def _is_key(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            try:
                for key in keys.get_secret_value().split(","):
                    Fernet(key.strip())
            except ValueError:
                raise ValueError("this is no key; `cuvee key` makes one") from None
        return keys

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was given, then the environment, then the file. Raises FileNotFoundError."""
        file = os.environ.get("CUVEE_FILE")
        if file is None:
            return init_settings, env_settings
        if not Path(file).is_file():
            raise FileNotFoundError(f"CUVEE_FILE: there is no file {file!r}")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(file))

    @property
    def database_url(self) -> str:
        """The database that is set, or SQLite in the data folder."""
        if self.database is not None:
            return self.database
        path = self.data_dir.resolve() / "cuvee.sqlite3"
        return URL.create("sqlite", database=str(path)).render_as_string()

    @property
    def worker_memory_bytes(self) -> int | None:
        """The limit of a worker's memory, if there is one."""
        return None if self.worker_memory is None else int(self.worker_memory * 10**9)

    @property
    def statistics_dir(self) -> Path:
        """Where what is computed once from models is kept: a cache, safe to delete while nothing
        runs."""
        return self.data_dir.resolve() / "statistics"

    @property
    def downloads_dir(self) -> Path:
        """Where models of the hub are kept: a cache within a budget."""
        return self.data_dir.resolve() / "hub"

    @property
    def download_bytes(self) -> int:
        """The disk budget of `downloads_dir`."""
        return int(self.download_gigabytes * 1e9)

    @property
    def exports_dir(self) -> Path:
        """Where exported checkpoints are written, one folder each."""
        return self.data_dir.resolve() / "exports"

    @property
    def built_dir(self) -> Path:
        """Where children that later stages take for parents are written, a folder a job: a cache,
        safe to delete while nothing runs."""
        return self.data_dir.resolve() / "built"
