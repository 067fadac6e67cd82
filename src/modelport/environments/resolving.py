"""From what a model asks for to what is installed: every distribution with its version and hashes, found by uv."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from modelport.environments import failures, uv
from modelport.environments.interpreters import Interpreter
from modelport.environments.uv import UvFailed
from modelport.model import requirement_lines
from modelport.model.environment_spec import EnvironmentSpec
from modelport_runtime.flavors import needs_mlflow

MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracing")
FILES = "files/"
"""Where a lock says that the model's own wheels lie."""
_CAME_WITH_MLFLOW = ("numpy", "pandas", "cloudpickle")
"""What mlflow brought every model, and what the worker itself needs to read rows and pickles."""
_WITH_PKG_RESOURCES = "setuptools<81"
"""Virtual environments had setuptools before Python 3.12, and code of that time imports it unasked."""
SKLEARN_INTERFACES = ("mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost")
_HEAD = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[^\]]*\])?(?: ?==|===| @ )")


@dataclass(frozen=True)
class Resolution:
    """``lock``: requirements with hashes, a line each, sorted, the same on every machine of this platform and Python."""

    lock: tuple[str, ...]
    cutoff: str | None
    """Nothing is newer than this day; None: the newest of today."""
    added: tuple[str, ...]
    """Names that no file of the model mentions."""
    left_out: tuple[str, ...]
    """Names that only mlflow brings."""
    notes: tuple[str, ...]


def keeps_mlflow(loader_module: str | None, wanted: bool | None) -> bool:
    """Whether mlflow itself is installed: for what nothing else can load, for Python models, and where it is wanted."""
    if wanted is not None or loader_module is None:
        return bool(wanted)
    return loader_module == "mlflow.pyfunc.model" or needs_mlflow(loader_module)


def overridden(requirements: Iterable[str], overrides: Iterable[str]) -> tuple[str, ...]:
    """The requirements, those of ``overrides`` in the place of others for the same packages."""
    new = [requirement_lines.normal(line) or line for line in overrides]
    names = set(map(requirement_lines.name_of, new))
    return tuple(sorted([*(line for line in requirements if requirement_lines.name_of(line) not in names), *new]))


def resolve(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    loader_module: str | None,
    *,
    with_mlflow: bool,
    newest: bool,
    offline: bool,
    log: Path,
) -> Resolution:
    """Find the versions; as of the day the model was made, unless ``newest``.

    Raises:
        EnvironmentFailed: there are none.
    """
    wanted = list(spec.requirements)
    names = set(map(requirement_lines.name_of, wanted))
    if with_mlflow and not names & set(MLFLOW) and spec.mlflow_version is not None:
        wanted.append(f"mlflow=={spec.mlflow_version}")
    added = [name for name in _CAME_WITH_MLFLOW if name not in names]
    wanted += [*(line for line in spec.build_dependencies if line != "setuptools"), *added]
    if "setuptools" not in set(map(requirement_lines.name_of, wanted)) and _numbers(interpreter.minor) < (3, 12):
        added.append(_WITH_PKG_RESOURCES)
        wanted.append(_WITH_PKG_RESOURCES)
    days = [None] if newest or spec.created is None else [spec.created, None]
    notes: list[str] = []
    for day in days:
        try:
            output = _compile(spec, wanted, interpreter, day, offline, log)
            break
        except UvFailed as failure:
            if day is None:
                raise failures.of_resolving(failure.output, spec, interpreter, offline, log) from None
    if day != days[0]:
        notes.append(
            f"what the model asks for is newer than the model itself ({days[0]}): the newest versions are taken"
        )
    packages = _packages(output, spec)
    kept = set(packages)
    if not with_mlflow:
        roots = set(map(requirement_lines.name_of, wanted)) - set(MLFLOW)
        if loader_module in SKLEARN_INTERFACES:
            roots.add("scikit-learn")
        kept = _reachable(packages, roots)
    return Resolution(
        lock=tuple(packages[name].line for name in sorted(kept)),
        cutoff=day,
        added=tuple(added),
        left_out=tuple(sorted(set(packages) - kept)),
        notes=tuple(notes),
    )


def _compile(
    spec: EnvironmentSpec, wanted: list[str], interpreter: Interpreter, day: str | None, offline: bool, log: Path
) -> str:
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:
        work = Path(folder)
        lines = [*spec.options, *(_with_address(line, spec) for line in wanted)]
        (work / "wanted.in").write_text("".join(f"{line}\n" for line in lines if line != "--pre"))
        arguments = ["pip", "compile", "wanted.in", "-o", "lock.txt", "--no-header", "--generate-hashes", "--quiet"]
        arguments += ["--annotation-style", "split", "--no-strip-extras", "--python", interpreter.path]
        if spec.constraints:
            (work / "constraints.in").write_text("".join(f"{line}\n" for line in spec.constraints))
            arguments += ["-c", "constraints.in"]
        if "--pre" in spec.options:
            arguments += ["--prerelease", "allow"]
        if day is not None:
            arguments += ["--exclude-newer", f"{day}T23:59:59Z"]
        if offline:
            arguments.append("--offline")
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(f"  {line}\n" for line in lines))
        uv.run(arguments, log, work, spec.credentials)
        return (work / "lock.txt").read_text(encoding="utf-8")


def _with_address(line: str, spec: EnvironmentSpec) -> str:
    """A file of the model by its place, for uv."""
    for file in spec.local_files:
        head, separator, marker = line.partition(f" @ {file.name}")
        if separator:
            return f"{head} @ {file.path.as_uri()}{marker}"
    return line


@dataclass
class _Package:
    line: str
    required_by: tuple[str, ...]


def _packages(lock: str, spec: EnvironmentSpec) -> dict[str, _Package]:
    """Name → what uv found, of its annotated output."""
    found: dict[str, _Package] = {}
    given = {requirement_lines.name_of(line): line for line in spec.requirements if "--hash" in line}
    for block in _blocks(lock):
        head = _HEAD.match(block[0])
        if head is None:
            continue
        name = requirement_lines.name_of(head["name"]) or head["name"]
        comments = [line.strip().lstrip("#").strip() for line in block if line.strip().startswith("#")]
        parents = " ".join(comments).removeprefix("via").split()
        parts = [line.strip().rstrip("\\").strip() for line in block if not line.strip().startswith("#")]
        line = " ".join(filter(None, parts))
        if name in given:  # the model's own hashes are the ones that hold
            line = " ".join([line.partition(" --hash")[0], *re.findall(r"--hash=\S+", given[name])])
        for file in spec.local_files:
            line = line.replace(file.path.as_uri(), FILES + quote(file.name))
        found[name] = _Package(line, tuple(requirement_lines.name_of(parent) or parent for parent in parents))
    return found


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


def _reachable(packages: Mapping[str, _Package], roots: set[str | None]) -> set[str]:
    kept = {name for name in packages if name in roots}
    grown = True
    while grown:
        more = {name for name, package in packages.items() if name not in kept and kept & set(package.required_by)}
        kept |= more
        grown = bool(more)
    return kept


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
