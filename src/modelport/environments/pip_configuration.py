"""pip's configuration in uv's words: who has told pip of an index has told us.

https://pip.pypa.io/en/stable/topics/configuration/
"""

import configparser
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_OF_INDEXES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
}
_OF_CONNECTIONS = {
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "trusted-host": "UV_INSECURE_HOST",
    "proxy": "ALL_PROXY",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
_TOLD = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
_TOLD_IN_FILES = ("index", "index-url", "extra-index-url", "find-links", "no-index")
_KEYRINGS = {"disabled": "disabled"}
"""uv only runs the program ``keyring``, which is what pip's other ways come to."""


def as_uv_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What pip's files and ``PIP_*`` say, as variables for uv; nothing of indexes where uv has been told of them itself."""
    said: dict[str, str] = {}
    for path in _files(environment):
        said.update(_options(path))
    options = _OF_CONNECTIONS if _uv_is_told(environment) else {**_OF_INDEXES, **_OF_CONNECTIONS}
    found: dict[str, str] = {}
    for option, variable in options.items():
        given = environment.get(f"PIP_{option.replace('-', '_').upper()}") or said.get(option, "")
        value = " ".join(given.split())
        if value and variable not in environment:
            found[variable] = _spelled(variable, value)
    if "UV_INDEX" in found and "UV_INDEX_STRATEGY" not in environment:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does with the same indexes
    return found


def _spelled(variable: str, value: str) -> str:
    if variable == "UV_FIND_LINKS":
        return ",".join(value.split())
    if variable == "UV_KEYRING_PROVIDER":
        return _KEYRINGS.get(value, "subprocess")
    if variable == "ALL_PROXY" and "://" not in value:
        return f"http://{value}"
    return value


def of_uv_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The indexes that uv's own files name, as uv's variables, with those of ``environment`` before them: for who is not uv."""
    lists = {
        "UV_INDEX": environment.get("UV_INDEX", "").split(),
        "UV_FIND_LINKS": [link for link in environment.get("UV_FIND_LINKS", "").split(",") if link],
    }
    found: dict[str, str] = {}
    for folder, said in _of_uv(environment):
        for index in _tables(said.get("index")):
            url = _at(folder, str(index.get("url", "")))
            if index.get("explicit"):  # of packages that a project pins to it
                continue
            if index.get("format") == "flat":
                lists["UV_FIND_LINKS"].append(url)
            elif url:
                named = f"{index['name']}={url}" if index.get("name") else url
                if index.get("default"):
                    found.setdefault("UV_DEFAULT_INDEX", named)
                else:
                    lists["UV_INDEX"].append(named)
        if said.get("index-url"):
            found.setdefault("UV_DEFAULT_INDEX", str(said["index-url"]))
        if said.get("no-index"):
            found["UV_NO_INDEX"] = "true"
        lists["UV_INDEX"] += _texts(said.get("extra-index-url"))
        lists["UV_FIND_LINKS"] += (_at(folder, link) for link in _texts(said.get("find-links")))
    if any(environment.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        found.pop("UV_DEFAULT_INDEX", None)
    joined = {"UV_INDEX": " ".join(lists["UV_INDEX"]), "UV_FIND_LINKS": ",".join(lists["UV_FIND_LINKS"])}
    return {**found, **{name: value for name, value in joined.items() if value}}


def _uv_is_told(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in _TOLD):
        return True
    return any(name in said for _, said in _of_uv(environment) for name in _TOLD_IN_FILES)


def _of_uv(environment: Mapping[str, str]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """What uv's files say, for pip's commands first, each with the folder it stands in; the user's before the machine's."""
    given = environment.get("UV_CONFIG_FILE")
    of_user = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv" / "uv.toml"
    for path in (Path(given),) if given else (of_user, Path("/etc/uv/uv.toml")):
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there; what is damaged uv itself tells of
            continue
        for part in (said.get("pip"), said):
            if isinstance(part, dict):
                yield path.parent, part


def _at(folder: Path, place: str) -> str:
    return place if "://" in place or not place else str(folder / place)


def _tables(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


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
