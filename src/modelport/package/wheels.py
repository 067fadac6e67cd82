"""The wheels of an environment, fetched as its lock names them; what has none is built to one first."""

import hashlib
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote

from modelport.environments import json_library, uv
from modelport.environments.interpreters import Interpreter
from modelport.environments.packaged import fits
from modelport.environments.resolving import FILES
from modelport.errors import EnvironmentFailed
from modelport.model import requirement_lines
from modelport.model.environment_spec import EnvironmentSpec
from modelport.package import pip
from modelport.package.bill import metadata_of
from modelport.package.pip import PipFailed
from modelport.package.platforms import Platform, this_machine

_EPOCH = "315532800"
"""1980-01-01, in seconds: what build backends write as the time of a wheel's files, and the first day that zips know."""

_HASH = " --hash="


def collect(
    lock: tuple[str, ...],
    files: Path,
    interpreter: Interpreter,
    platform: Platform,
    spec: EnvironmentSpec,
    cutoff: str | None,
    folder: Path,
    log: Path,
) -> tuple[str, ...]:
    """Fill ``folder`` with a wheel for each line of ``lock``; what the lock says with the hashes of just these.

    ``files`` has the model's own wheels and archives. What has to be built sees nothing newer than ``cutoff``; it is built for
    this machine alone.

    Raises:
        EnvironmentFailed: one can be neither had nor built.
    """
    folder.mkdir()

    def build(line: str) -> None:
        if not platform.is_this_machine:
            name = requirement_lines.name_of(line) or line
            raise _failed(
                f"{name} has none for {platform.tags[0]}, and what is built here is for this machine", "", log
            )
        _build(line, interpreter, spec, cutoff, folder, log)

    to_fetch: dict[str | None, str] = {}
    for line in lock:
        local = f" @ {FILES}"
        file = files / unquote(line.partition(local)[2].partition(" ")[0]) if local in line else None
        if file is not None and file.suffix == ".whl":
            if not platform.is_this_machine and not fits(file.name, interpreter, platform.tags):
                raise _failed(f"{file.name} of the model is not for {platform.tags[0]}", "", log)
            shutil.copyfile(file, folder / file.name)
        elif file is not None:
            build(line.replace(local, f" @ {files.as_uri()}/", 1))
        elif _HASH not in line:  # of a repository, whose commit is in the line
            build(line)
        else:
            to_fetch[requirement_lines.name_of(line)] = line
    while to_fetch:
        try:
            pip.download(to_fetch.values(), interpreter, platform, spec, folder, log)
            break
        except PipFailed as failure:
            name = requirement_lines.name_of(failure.without_wheel or "")
            if name not in to_fetch:
                raise _failed("they cannot be fetched", failure.output, log) from None
            build(to_fetch.pop(name))
    _check_complete(folder, interpreter, platform, log)
    return _lock_of(folder, lock, log)


def _check_complete(folder: Path, interpreter: Interpreter, platform: Platform, log: Path) -> None:
    """The lock is this machine's: what a wheel needs on another one alone is not in it."""
    if platform.is_this_machine:
        return
    here, there = this_machine().markers(interpreter), platform.markers(interpreter)
    has = {_name_of(wheel) for wheel in folder.glob("*.whl")}
    for wheel in sorted(folder.glob("*.whl")):
        for line in metadata_of(wheel).get_all("Requires-Dist", []):
            wanted, name = requirement_lines.parsed(line), requirement_lines.name_of(line)
            if wanted is None or wanted.marker is None or name in has:
                continue
            if wanted.marker.evaluate({**there}) and not wanted.marker.evaluate({**here}):
                raise _failed(f"{wheel.name} needs {name} on {platform.tags[0]}, which is not needed here", "", log)


def json_library_for(
    interpreter: Interpreter, platform: Platform, spec: EnvironmentSpec, folder: Path, log: Path
) -> None:
    """Put orjson for ``interpreter`` into ``folder``, where an index has it: workers can do without."""
    from packaging.requirements import Requirement

    marked = {"python_full_version": interpreter.version, "python_version": interpreter.minor}
    for line in requirement_lines.lines_of(json_library.requirements()):
        wanted = Requirement(line.partition(" --hash")[0])
        if wanted.marker is None or wanted.marker.evaluate(marked):
            hashes = " ".join(re.findall(r"--hash=\S+", line))
            try:
                pip.download([f"{wanted.name}{wanted.specifier} {hashes}"], interpreter, platform, spec, folder, log)
            except PipFailed:
                return


def _build(
    line: str, interpreter: Interpreter, spec: EnvironmentSpec, cutoff: str | None, folder: Path, log: Path
) -> None:
    """A wheel of a source archive, as uv builds it for an environment: with a cache of its own, which then has the wheel."""
    name = requirement_lines.name_of(line) or line
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="build-") as draft:
        work = Path(draft)
        options = [option for option in spec.options if option.split(" ")[0] not in ("--pre", "--only-binary")]
        (work / "wanted.txt").write_text("".join(f"{text}\n" for text in (*options, line)))
        arguments = ["pip", "install", "--python", interpreter.path, "--cache-dir", str(work / "cache")]
        arguments += ["--target", str(work / "installed"), "--no-deps", "--no-binary", name]
        arguments += ["-r", str(work / "wanted.txt"), *(["--require-hashes"] if _HASH in line else [])]
        if cutoff is not None:
            arguments += ["--exclude-newer", f"{cutoff}T23:59:59Z"]
        try:
            search = uv.as_pip_searches(spec.options)
            uv.run(arguments, log, work, spec.credentials, SOURCE_DATE_EPOCH=_EPOCH, **search)
        except uv.UvFailed as failure:
            raise _failed(f"{name} has none and cannot be built", failure.output, log) from None
        built = [wheel for wheel in (work / "cache").rglob("*.whl") if wheel.is_file() and _name_of(wheel) == name]
        if len(built) != 1:
            raise _failed(f"{name} has none", f"uv kept {len(built)} of those it built", log)
        shutil.copyfile(built[0], folder / built[0].name)


def _lock_of(folder: Path, lock: tuple[str, ...], log: Path) -> tuple[str, ...]:
    from packaging.utils import parse_wheel_filename

    found = {}
    for wheel in folder.glob("*.whl"):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        with wheel.open("rb") as file:
            found[str(name)] = f"{name}=={version} --hash=sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    differing = {requirement_lines.name_of(line) for line in lock} ^ found.keys()
    if differing:
        raise _failed("the wheels are not those of the lock", ", ".join(map(str, differing)), log)
    return tuple(found[name] for name in sorted(found))


def _name_of(wheel: Path) -> str:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        return str(parse_wheel_filename(wheel.name)[0])
    except InvalidWheelFilename:
        return ""


def _failed(what: str, output: str, log: Path) -> EnvironmentFailed:
    last = " ".join(output.split())[-400:]
    return EnvironmentFailed(
        f"the package lacks wheels: {what}{f': {last}' if last else ''}",
        hint=f"All that pip and uv said: {log}",
        code="PACKAGE_WHEELS_MISSING",
    )
