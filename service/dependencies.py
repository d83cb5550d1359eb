"""What endpoints ask for: the database and the settings that the app was made with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.database import Database
from service.settings import Settings


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


DatabaseDependency = Annotated[Database, Depends(_database)]
SettingsDependency = Annotated[Settings, Depends(_settings)]
