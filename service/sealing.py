"""Secrets that the database keeps sealed: who has the database alone cannot read them.

They are sealed by Fernet (AES-128-CBC with HMAC-SHA256) under the operator's key, which is in the
environment or in a file and nowhere else. A sealed secret says inside whose it is, so that a row
that was copied to somebody else's place does not open there.
"""

from __future__ import annotations

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from service.errors import Refused
from service.settings import Settings


class Unsealable(Refused):
    """It was sealed under another key, or for something else."""


class Seal:
    """Seals under the first of `keys`, separated by commas; opens what any of them has sealed."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])

    def close(self, secret: str, of: str) -> str:
        """The secret, sealed; `of` says what it is the secret of."""
        return self._fernet.encrypt(json.dumps([of, secret]).encode()).decode()

    def open(self, sealed: str, of: str) -> str:
        """The secret. Raises Unsealable."""
        try:
            inside, secret = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise Unsealable(f"CUVEE_SECRET_KEY is not the key of the {of}; set it anew") from None
        if inside != of:
            raise Unsealable(f"what is kept as the {of} is that of something else; set it anew")
        return str(secret)


def seal_of(settings: Settings) -> Seal:
    """The seal of the operator's key; a file is read each time, so that a new key counts at once.

    Raises Refused where there is none, and OSError where the file is not there.
    """
    if settings.secret_key is not None:
        return Seal(settings.secret_key.get_secret_value())
    if settings.secret_key_file is None:
        raise Refused(
            "the service has no key to keep secrets under: set CUVEE_SECRET_KEY or "
            "CUVEE_SECRET_KEY_FILE; `cuvee key` makes one"
        )
    try:
        return Seal(settings.secret_key_file.read_text(encoding="utf-8").strip())
    except ValueError:
        raise Refused("CUVEE_SECRET_KEY_FILE: holds no key; `cuvee key` makes one") from None


def new_key() -> str:
    """A fresh key."""
    return Fernet.generate_key().decode()
