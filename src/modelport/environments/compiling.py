"""``uv pip compile``: requirements in, distributions with versions, hashes and who asked for them out."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from modelport.environments import uv
from modelport.environments.interpreters import Interpreter
from modelport.model import requirement_lines
from modelport.model.environment_spec import EnvironmentSpec

FILES = "files/"
"""Where a lock says that the model's own wheels lie."""
_HEAD = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[^\]]*\])?(?: ?==|===| @ )")
_HELD_BACK = re.compile(r"`([^`]+)` was filtered by `exclude-newer[^`]*`(.*)")
_UNDATED = re.compile(r"([^\s`]+)`? is missing an upload date")


@dataclass(frozen=True)
class Package:
    """``line``: a requirement of one version with its hashes; ``required_by``: names, and ``-r`` for the input itself."""

    line: str
    required_by: tuple[str, ...]


@dataclass(frozen=True)
class Compiled:
    packages: dict[str, Package]
    undated: frozenset[str]
    """The distributions of which an index has files without saying since when."""


def compile(
    spec: EnvironmentSpec,
    wanted: Iterable[str],
    interpreter: Interpreter,
    *,
    day: str | None,
    of_any_day: Iterable[str],
    offline: bool,
    log: Path,
) -> Compiled:
    """``wanted`` with the options, constraints and files of ``spec``; nothing newer than ``day``, but for ``of_any_day``.

    Raises:
        UvFailed: there is no such set of distributions.
    """
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:
        work = Path(folder)
        lines = [*spec.options, *(_with_address(line, spec) for line in wanted)]
        (work / "wanted.in").write_text("".join(f"{line}\n" for line in lines if line != "--pre"))
        arguments = ["pip", "compile", "wanted.in", "-o", "lock.txt", "--no-header", "--generate-hashes"]
        arguments += ["--annotation-style", "split", "--no-strip-extras", "--python", interpreter.path]
        if spec.constraints:
            (work / "constraints.in").write_text("".join(f"{line}\n" for line in spec.constraints))
            arguments += ["-c", "constraints.in"]
        if "--pre" in spec.options:
            arguments += ["--prerelease", "allow"]
        if day is not None:
            arguments += ["--exclude-newer", f"{day}T23:59:59Z"]
            for name in sorted(of_any_day):
                arguments += ["--exclude-newer-package", f"{name}=false"]
        if offline:
            arguments.append("--offline")
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(f"  {line}\n" for line in lines))
        told = uv.run(arguments, log, work, spec.credentials, **uv.as_pip_searches(spec.options))
        return Compiled(_packages((work / "lock.txt").read_text(encoding="utf-8"), spec), undated(told.remarks))


def undated(remarks: str) -> frozenset[str]:
    """The distributions of which uv says that an index does not tell since when it has their files."""
    names = (requirement_lines.name_of(requirement_lines.distribution_of(file)) for file in _UNDATED.findall(remarks))
    return frozenset(filter(None, names))


def held_back(output: str) -> dict[str, bool]:
    """The distributions that uv says it could not choose for being too new, and whether it says since when they are there."""
    return {
        requirement_lines.name_of(name) or name: "was published at" in more for name, more in _HELD_BACK.findall(output)
    }


def _with_address(line: str, spec: EnvironmentSpec) -> str:
    """A file of the model by its place, for uv."""
    for file in spec.local_files:
        head, separator, marker = line.partition(f" @ {file.name}")
        if separator:
            return f"{head} @ {file.path.as_uri()}{marker}"
    return line


def _packages(lock: str, spec: EnvironmentSpec) -> dict[str, Package]:
    """Name → what uv found, of its annotated output."""
    found: dict[str, Package] = {}
    for block in _blocks(lock):
        head = _HEAD.match(block[0])
        if head is None:
            continue
        name = requirement_lines.name_of(head["name"]) or head["name"]
        comments = [line.strip().lstrip("#").strip() for line in block if line.strip().startswith("#")]
        parents = " ".join(comments).removeprefix("via").split()
        parts = [line.strip().rstrip("\\").strip() for line in block if not line.strip().startswith("#")]
        line = " ".join(filter(None, parts))
        own = _hashes_of_model(name, spec)
        if own:
            line = " ".join([line.partition(" --hash")[0], *own])
        for file in spec.local_files:
            line = line.replace(file.path.as_uri(), FILES + quote(file.name))
        found[name] = Package(line, tuple(requirement_lines.name_of(parent) or parent for parent in parents))
    return found


def _hashes_of_model(name: str, spec: EnvironmentSpec) -> list[str]:
    """Those that the model's files name are the ones that hold."""
    lines = [line for line in spec.requirements if "--hash" in line and requirement_lines.name_of(line) == name]
    return sorted({found for line in lines for found in re.findall(r"--hash=\S+", line)})


def _blocks(lock: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lock.splitlines():
        if line and not line[0].isspace() and not line.startswith("#") and block:
            yield block
            block = []
        if line and (block or not line.startswith("#")):
            block.append(line)
    if block:
        yield block
