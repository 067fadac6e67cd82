"""Which texts are paths of this machine."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelport.domain.model import CONTENT
from modelport.errors import InvalidInput, NotFound

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_local(text: str) -> bool:
    """Whether it has no scheme."""
    return _SCHEME.match(text) is None


def is_uploaded(text: str) -> bool:
    """Whether it is content that the server has a name for."""
    return CONTENT.fullmatch(text) is not None


def local_path(text: str) -> Path:
    """The file or folder at a path or ``file:`` URI, absolute and free of links in its own name.

    Raises:
        InvalidInput: it is a URI of something else.
        NotFound: there is nothing.
    """
    if is_local(text):
        path = Path(text)
    else:
        parts = urlsplit(text)
        if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
            raise InvalidInput(f"{text!r} cannot be uploaded", hint="A local path can, or a file: URI of one.")
        path = Path(unquote(parts.path))
    if not path.exists():
        raise NotFound(f"there is nothing at {text!r}", hint=f"looked for {path.absolute()}")
    return path.resolve()
