"""Keys and tokens: derived from one secret file, kept nowhere; the store has their hashes."""

import base64
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

from modelport.domain.credentials import Keys, Token
from modelport.domain.operations import KeyType
from modelport.errors import CannotStart
from modelport.store.transaction import StoredCredential

ADMIN_KEY = "admin.key"
SECRET = "secret"
TOKEN_LIFE = 3600.0
"""Seconds."""
TOKEN_REFRESH = 1800.0


def digest(key: str) -> str:
    """What is kept of a key: SHA-256, in hex. A key has 256 random bits, so that no slower hash is needed."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    """43 characters that nobody can guess."""
    return secrets.token_urlsafe(32)


def written_once(path: Path) -> str:
    """The content of a secret file (0600); a new key is written where there is none.

    Raises:
        CannotStart: it cannot be read or written, or others can read it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if path.stat().st_mode & 0o077:
                raise CannotStart(f"others can read {path}", hint=f"chmod 600 {path}") from None
            return path.read_text().strip()
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key() + "\n")
        return path.read_text().strip()
    except OSError as error:
        raise CannotStart(f"cannot keep a key in {path}: {error.strerror}") from None


class Secret:
    """Derives the keys of endpoints: the same for the same endpoint, slot and generation."""

    def __init__(self, home: Path) -> None:
        self._secret = written_once(home / SECRET).encode()

    def key(self, endpoint_id: str, slot: str, generation: int) -> str:
        """43 characters, HMAC-SHA-256 (RFC 2104) of what it is for."""
        text = f"{endpoint_id}/{slot}/{generation}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._secret, text, "sha256")).rstrip(b"=").decode()

    def keys(self, endpoint_id: str, generations: dict[str, int]) -> Keys:
        """Both keys of an endpoint."""
        primary, secondary = (self.key(endpoint_id, slot, generations[slot]) for slot in ("primary", "secondary"))
        return Keys(primary_key=primary, secondary_key=secondary)

    def stored(self, endpoint_id: str, slot: KeyType, generation: int) -> StoredCredential:
        """What the store keeps of a key."""
        return StoredCredential(endpoint_id, slot, generation, digest(self.key(endpoint_id, slot, generation)), None)


def new_token(endpoint_id: str) -> tuple[Token, StoredCredential]:
    """A token for an endpoint, which is told this one time, and what the store keeps of it."""
    now = time.time()
    token = new_key()
    told = Token(
        access_token=token, expiry_time_utc=int(now + TOKEN_LIFE), refresh_after_time_utc=int(now + TOKEN_REFRESH)
    )
    return told, StoredCredential(endpoint_id, "token", 0, digest(token), now + TOKEN_LIFE)
