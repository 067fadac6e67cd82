"""Which server is asked, and with which key: what was given, else the environment's, else those of this machine."""

import ipaddress
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from modelport.errors import InvalidInput, PermissionDenied, Unauthenticated
from modelport.settings import modelport_home

DEFAULT_URL = "http://127.0.0.1:8000"
KEY_FILE = "admin.key"
"""Under ``MODELPORT_HOME``; `modelport up` makes it when it starts for the first time."""


def find_url(given: str | None) -> str:
    """The server's address, without a slash at its end.

    Raises:
        InvalidInput: it is none.
    """
    url = given or os.environ.get("MODELPORT_URL") or DEFAULT_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{url!r} is no address of a server", hint=f"One is {DEFAULT_URL}.")
    return url.rstrip("/")


def find_scoring_url(url: str) -> str:
    """Where predictions are asked for, as far as that can be known without being told: ``MODELPORT_SCORING_URL``, else the
    port after that of the server at ``url``, as `modelport up` has it if not told otherwise.

    Raises:
        InvalidInput: it is no address.
    """
    given = os.environ.get("MODELPORT_SCORING_URL")
    if given:
        return find_url(given)
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port + 1}"


def own_key(given: str | None) -> str | None:
    """The key that somebody has given for this purpose; None: only that of this machine's administrator is left."""
    return given or os.environ.get("MODELPORT_KEY") or None


def find_key(given: str | None, url: str) -> str:
    """The key for the server at ``url``.

    Raises:
        Unauthenticated: there is none, or only that of this machine, which is told to no other.
        PermissionDenied: its file can be read by others.
    """
    key = own_key(given)
    if key:
        return key
    path = modelport_home() / KEY_FILE
    if not is_loopback(urlsplit(url).hostname or ""):
        raise Unauthenticated(
            f"there is no key for {url}: the one in {path} is only told to this machine",
            hint="Set MODELPORT_KEY to a key that `modelport user create` told.",
        )
    return _read_key(path)


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_key(path: Path) -> str:
    try:
        with path.open() as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise PermissionDenied(f"{path} can be read by others", hint=f"chmod 600 {path}")
            return file.read().strip()
    except FileNotFoundError:
        hint = "`modelport up` makes one when it starts for the first time."
        raise Unauthenticated(f"there is no key: neither MODELPORT_KEY nor {path}", hint=hint) from None
    except OSError as error:
        raise Unauthenticated(f"the key in {path} cannot be read: {error.strerror}") from None
