"""pip's configuration in uv's words: who has told pip of an index has told us.

https://pip.pypa.io/en/stable/topics/configuration/
"""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_AS_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
}
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")


def as_uv_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that tell uv what pip's files and ``PIP_*`` say; none where uv has been told of indexes itself."""
    if any(environment.get(name) for name in _INDEXES):
        return {}
    said: dict[str, str] = {}
    for path in _files(environment):
        said.update(_options(path))
    for option in _AS_UV:
        value = environment.get(f"PIP_{option.replace('-', '_').upper()}")
        if value:
            said[option] = value
    found: dict[str, str] = {}
    for option, variable in _AS_UV.items():
        value = " ".join(said.get(option, "").split())
        if value and variable not in environment:
            found[variable] = ",".join(value.split()) if variable == "UV_FIND_LINKS" else value
    if "UV_INDEX" in found:
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip does with the same indexes
    return found


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """From the one that counts least to the one that counts most."""
    given = environment.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return
    for folder in reversed(environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    home = Path.home()
    yield home / ".pip" / "pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if given:
        yield Path(given)


def _options(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return {
        option.replace("_", "-"): value
        for section in ("global", "install", "download")
        if parser.has_section(section)
        for option, value in parser.items(section)
    }
