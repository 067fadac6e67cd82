"""Who may ask an endpoint for predictions: whoever sends a key or token whose hash the table has."""

import base64
import binascii
import hashlib
import hmac
import math
import time
from collections.abc import Sequence

from modelport.supervisor.table import Credential

_BEARER, _BASIC = b"bearer ", b"basic "


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

    def admits_password(self, authorization: bytes | None) -> bool:
        """Whether it is one as browsers send (Basic, RFC 7617) with such a credential as the password, whoever the user is."""
        if authorization is None or authorization[: len(_BASIC)].lower() != _BASIC:
            return False
        try:
            given = base64.b64decode(authorization[len(_BASIC) :].strip(), validate=True)
        except binascii.Error:
            return False
        return time.time() < self._valid_until(given.partition(b":")[2])

    def _look(self, authorization: bytes) -> bool:
        if authorization[: len(_BEARER)].lower() != _BEARER:
            return False
        until = self._valid_until(authorization[len(_BEARER) :].strip())
        if time.time() >= until:
            return False
        self._last, self._last_until = authorization, until
        return True

    def _valid_until(self, key: bytes) -> float:
        """0: it is no credential."""
        digest = hashlib.sha256(key).hexdigest()
        until = 0.0
        for known, expires in self._credentials:
            if hmac.compare_digest(digest, known):
                until = max(until, expires)
        return until
