"""A package made: the model's environment is built and checked, its wheels are collected, all of it is written at once."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import orjson

import modelport_runtime
from modelport.environments import check, preparing, uv
from modelport.environments.interpreters import Interpreter
from modelport.environments.progress import Stages
from modelport.environments.resolving import FILES, MLFLOW
from modelport.environments.store import Environment, Store
from modelport.errors import InvalidInput
from modelport.files.draft import Draft
from modelport.model import location, mlmodel, package, requirement_lines
from modelport.model.environment_spec import EnvironmentSpec
from modelport.model.package import File, Manifest
from modelport.package import archive, wheels
from modelport.package.archive import Content
from modelport.package.bill import bill
from modelport.package.platforms import Platform, this_machine
from modelport.settings import MIB, EnvironmentSettings, SafetySettings
from modelport.workers import bundle
from modelport.workers.spec import admit
from modelport_runtime.flavors import flavor_for

log = logging.getLogger("modelport")

_WITH_INDEXES = (".txt", ".in", ".yaml", ".yml", ".toml")
_LARGEST_TEXT = MIB


def create(
    model_uri: str,
    output: str,
    name: str | None,
    settings: EnvironmentSettings,
    home: Path,
    safety: SafetySettings | None = None,
    platform: Platform | None = None,
) -> Manifest:
    """Write the package of a model to ``output``, whole or not at all. The model was loaded in the very environment before.

    ``name``: what it is called; None: as its directory. ``safety``: how it was loaded.
    ``platform``: what it is for; None: this machine's.

    Raises:
        ModelportError: the model, its environment or one of its wheels cannot be had.
    """
    if not output.endswith(package.SUFFIX):
        raise InvalidInput(f"{output!r} is no name of a package", hint=f"Give it a name that ends in {package.SUFFIX}.")
    platform = platform or this_machine()
    folder = location.resolve(model_uri)
    if package.around(folder) is not None:
        raise InvalidInput(f"{model_uri} is a package already", hint="Copy it.")
    draft = Draft(output)  # before the long work: a folder that is not there is told at once
    try:
        content, of_model = mlmodel.read(folder), _of_model(folder)
        environment, spec, found = _environment(folder, content, settings, home, safety or SafetySettings())
        with tempfile.TemporaryDirectory(dir=home, prefix=".package-") as work:
            with Stages(environment.id).stage("wheels", f"collecting {len(found['lock'])} wheels"):
                lock = _collect(Path(work), environment, platform, spec, found)
            files = {**of_model, **_of_environment(Path(work), bundle.lay_out(home / "runtime", environment.python))}
            files[package.LOCK] = "".join(f"{line}\n" for line in lock).encode()
            facts = _described(files, name or folder.name, content, found, platform)
            archive.write(draft.file, files, facts)
        draft.commit()
    finally:
        draft.discard()
    return package.read_manifest(Path(output))


def _described(
    files: dict[str, Content], name: str, content: dict[str, Any], found: dict[str, Any], platform: Platform
) -> dict[str, File]:
    """Add the bill of materials and the manifest to the files; what the manifest says of all others."""
    interpreter = Interpreter(**found["interpreter"])
    facts = {place: archive.facts_of(file) for place, file in files.items()}
    fetched = [
        file for place, file in files.items() if place.startswith(f"{package.WHEELS}/") and isinstance(file, Path)
    ]
    of_model = {place: fact for place, fact in facts.items() if place.startswith(f"{package.MODEL}/")}
    files[package.BILL] = bill(name, fetched, platform.markers(interpreter), of_model)
    facts[package.BILL] = archive.facts_of(files[package.BILL])
    files[package.MANIFEST] = _json(_manifest(name, content, found, interpreter, platform, facts))
    return facts


def _environment(
    folder: Path, content: dict[str, Any], settings: EnvironmentSettings, home: Path, safety: SafetySettings
) -> tuple[Environment, EnvironmentSpec, dict[str, Any]]:
    """The model's environment, complete; what it was asked to be, and what was found for that."""
    admit(folder, content, safety)
    prepared = preparing.prepare(folder, content, settings, home, check.loading(folder, content, home, safety))
    found = None if prepared is None else Store(home).resolution(prepared.key)
    if prepared is None or found is None:
        raise InvalidInput(
            f"the model in {folder} names no packages, so nothing says what belongs into its package",
            hint="modelport update-pip-requirements -m MODEL add … writes its requirements.",
            code="PACKAGE_WITHOUT_REQUIREMENTS",
        )
    return prepared.environment, prepared.spec, found


def _collect(
    work: Path, environment: Environment, platform: Platform, spec: EnvironmentSpec, found: dict[str, Any]
) -> tuple[str, ...]:
    interpreter = Interpreter(**found["interpreter"])
    lock = wheels.collect(
        tuple(found["lock"]),
        environment.folder / FILES,
        interpreter,
        platform,
        spec,
        found["cutoff"],
        work / package.WHEELS,
        environment.log,
    )
    wheels.json_library_for(interpreter, platform, spec, work / package.RUNTIME, environment.log)
    return lock


def _of_model(folder: Path) -> dict[str, Content]:
    """Name in the package → where its content is."""
    files = {f"{package.MODEL}/{path.relative_to(folder).as_posix()}": path for path in _below(folder)}
    for name in files:
        if not package.is_inside(name):
            raise InvalidInput(f"the model in {folder} has a file that no package can name: {name!r}")
    return {name: _without_credentials(path) if path.parent == folder else path for name, path in files.items()}


def _of_environment(work: Path, runtime: Path) -> dict[str, Content]:
    files: dict[str, Content] = {}
    for place in (package.WHEELS, package.RUNTIME):
        files.update({f"{place}/{path.name}": path for path in (work / place).glob("*.whl")})
    for path in runtime.rglob("*.py"):
        files[f"{package.RUNTIME}/{path.relative_to(runtime).as_posix()}"] = path
    return files


def _below(folder: Path) -> list[Path]:
    """The files of a model; what Python compiled of its code is left out, since nobody can say when it did."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for path in (Path(parent) / name for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(folder):
                raise InvalidInput(f"{path} leads out of the model", hint="Put the file itself there.")
            if path.is_symlink() and path.is_dir():
                raise InvalidInput(f"{path} is a link to a folder", hint="Put the folder itself there.")
            if path.is_file():
                found.append(path)
    return found


def _without_credentials(path: Path) -> Content:
    """A file that names indexes, without the passwords for them; any other as it is."""
    if path.suffix not in _WITH_INDEXES or path.stat().st_size > _LARGEST_TEXT:
        return path
    content = path.read_bytes()
    text = requirement_lines.text_of(content)
    cleaned = uv.CREDENTIALS.sub("****", text)
    if cleaned == text:
        return path
    log.warning("%s of the package is without the credentials that it has in the model", path.name)
    return cleaned.encode()


def _manifest(
    name: str,
    content: dict[str, Any],
    found: dict[str, Any],
    interpreter: Interpreter,
    platform: Platform,
    facts: dict[str, File],
) -> dict[str, Any]:
    loader = preparing.loader_module(content)
    names = set(map(requirement_lines.name_of, found["lock"]))
    return {
        "format": package.FORMAT,
        "made_by": {"modelport": modelport_runtime.__version__},
        "model": {
            "name": name,
            "flavor": None if loader is None else flavor_for(loader).NAME,
            "loader_module": loader,
            "mlflow_version": content.get("mlflow_version"),
            "model_id": content.get("model_id") or content.get("model_uuid"),
        },
        "python": interpreter.version,
        "platform": {"system": platform.system, "machine": platform.machine},
        "environment": {
            "id": found["environment"],
            "as_of": found["cutoff"],
            "added": found["added"],
            "left_out": found["left_out"],
            "has_mlflow": bool(names & set(MLFLOW)),
        },
        "files": {name: {"sha256": file.sha256, "size": file.size} for name, file in facts.items()},
    }


def _json(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
