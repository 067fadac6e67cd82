"""Whether an environment still is what its lock says: each file held against the hash noted when it was installed."""

import base64
import csv
import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.environments.store import Environment

_NAME = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?(?: ?===?(?P<version>[^\s;]+))?")
_TIMEOUT = 30
"""Seconds an interpreter has to say its version."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was installed. ``distribution`` is None where it is the environment itself;
    ``file`` is absolute, and ``is_altered`` where another content stands in it."""

    distribution: str | None
    says: str
    file: Path | None = None
    is_altered: bool = False


def damages(environment: Environment, lock: tuple[str, ...]) -> list[Damage]:
    """All there are; none: it is whole."""
    if environment.state is None:
        return [Damage(None, "its build did not come to its end")]
    return [*_of_interpreter(environment), *_of_distributions(environment, lock)]


def _of_interpreter(environment: Environment) -> Iterator[Damage]:
    wanted = (environment.state or {}).get("python")
    try:
        command = [environment.python, "-I", "-S", "-c", "import platform; print(platform.python_version())"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL)
        version = told.stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        yield Damage(None, f"its interpreter does not start: {error}")
        return
    if version != wanted:
        yield Damage(None, f"its interpreter is Python {version or 'nothing'}, and was {wanted}")


def _of_distributions(environment: Environment, lock: tuple[str, ...]) -> Iterator[Damage]:
    wanted = dict(map(_pin, lock))
    for site in environment.folder.glob("lib/python*/site-packages"):
        for folder in sorted(site.glob("*.dist-info")):
            spelled, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            name = _normal(spelled)
            if name not in wanted:
                yield Damage(name, f"{name} {version} is installed, which nobody asked for", folder)
            elif wanted.pop(name) not in (None, version):
                yield Damage(name, f"{name} is there in version {version}", folder)
            else:
                yield from _of_files(site, folder, name)
    for name, pinned in wanted.items():
        yield Damage(name, f"{name}{'' if pinned is None else f' {pinned}'} is not there")


def _of_files(site: Path, folder: Path, name: str) -> Iterator[Damage]:
    try:
        rows = list(csv.reader((folder / "RECORD").read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error):
        yield Damage(name, f"{name} has lost the list of its files", folder / "RECORD")
        return
    for path, noted, *_ in (row for row in rows if len(row) >= 2 and row[1]):
        algorithm, _, expected = noted.partition("=")
        file = site / path
        try:
            found = _digest(file, algorithm)
        except FileNotFoundError:
            yield Damage(name, f"{path} of {name} is gone", file)
        except (OSError, ValueError) as error:
            yield Damage(name, f"{path} of {name} cannot be read: {error}", file)
        else:
            if found != expected.rstrip("="):
                yield Damage(name, f"{path} of {name} has been altered", file, is_altered=True)


def _digest(file: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def _pin(line: str) -> tuple[str, str | None]:
    found = _NAME.match(line)
    return (line, None) if found is None else (_normal(found["name"]), found["version"])


def _normal(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
