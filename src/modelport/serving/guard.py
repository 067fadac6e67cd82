"""Who may ask an endpoint for predictions: whoever sends a key or token whose hash the table has."""

import hashlib
import hmac
import math
import time
from collections.abc import Sequence

from modelport.supervisor.table import Credential

_SCHEME = b"bearer "


class Guard:
    """The credentials of one endpoint. Comparing takes as long whatever is compared, and however much of it agrees."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._credentials = [
            (credential.digest, math.inf if credential.expires is None else credential.expires)
            for credential in credentials
        ]
        self._last = b""
        """The header that was accepted last: most callers send the same again."""
        self._last_until = 0.0

    def admits(self, authorization: bytes | None) -> bool:
        """Whether this ``Authorization`` header has a credential that is valid now."""
        if authorization is None:
            return False
        if hmac.compare_digest(authorization, self._last) and time.time() < self._last_until:
            return True
        return self._look(authorization)

    def _look(self, authorization: bytes) -> bool:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return False
        digest = hashlib.sha256(authorization[len(_SCHEME) :].strip()).hexdigest()
        until = 0.0
        for known, expires in self._credentials:
            if hmac.compare_digest(digest, known):
                until = max(until, expires)
        if time.time() >= until:
            return False
        self._last, self._last_until = authorization, until
        return True
