"""The environment of a model that came in a package: from the package's own lock and wheels, and from nowhere else."""

import platform
from collections.abc import Iterable
from pathlib import Path

from modelport.environments import interpreters, json_library
from modelport.environments.interpreters import Interpreter
from modelport.errors import EnvironmentFailed, InvalidInput
from modelport.model.environment_spec import EnvironmentSpec
from modelport.model.package import LOCK, RUNTIME, WHEELS, Package
from modelport.settings import EnvironmentSettings


def spec_of(package: Package) -> EnvironmentSpec:
    """What uv is told: the package's wheels are all there is."""
    wheels = (package.folder / WHEELS).as_uri()
    return EnvironmentSpec(
        python=package.manifest.python,
        requirements=tuple(line.partition(" ")[0] for line in package.lock),
        options=("--no-index", f"--find-links {wheels}"),
        source=LOCK,
    )


def check_settings(settings: EnvironmentSettings) -> None:
    """Refuse what was decided when the package was made.

    Raises:
        InvalidInput: something of that was asked for.
    """
    asked = {
        "--newest": settings.newest,
        "--keep-mlflow/--without-mlflow": settings.mlflow is not None,
        "--pip-requirements-override": bool(settings.overrides),
        "--env-manager conda": settings.manager == "conda",
    }
    for flag, is_asked in asked.items():
        if is_asked:
            raise InvalidInput(
                f"{flag} does not go with a package, which brings its environment as it is",
                hint="Say it to modelport package create; --env-manager local runs the model in an interpreter of yours.",
            )


def interpreter_for(package: Package, runtime_home: Path, log_file: Path) -> Interpreter:
    """The interpreter that the package's wheels are for; orjson for it is put where workers look.

    Raises:
        EnvironmentFailed: this machine has none, or is of another kind than the package's.
    """
    manifest = package.manifest
    here, there = (platform.system(), platform.machine()), manifest.content["platform"]
    if here != (there["system"], there["machine"]):
        raise EnvironmentFailed(
            f"the package {manifest.name} is for {there['system']} on {there['machine']}; this is {here[0]} on {here[1]}",
            hint="Make it once more on a machine of this kind, or for one: modelport package create --platform NAME",
            code="PACKAGE_OF_ANOTHER_PLATFORM",
        )
    try:
        interpreter = interpreters.find(manifest.python)
    except EnvironmentFailed as error:
        raise EnvironmentFailed(
            f"the package {manifest.name} has the wheels of one Python: {error.message}",
            hint="Install that Python, or make the package for another: modelport package create --python VERSION.",
            code="PACKAGE_OF_ANOTHER_PYTHON",
        ) from None
    for wheel in manifest.wheels:
        _check_wheel(wheel, interpreter, manifest.name)
    json_library.fetch(interpreter, runtime_home, offline=True, log_file=log_file, wheels=package.folder / RUNTIME)
    return interpreter


def abi_of(interpreter: Interpreter) -> str:
    """What the names of wheels must say to be for this interpreter alone."""
    return f"cp{interpreter.minor.replace('.', '')}"


def fits(wheel: str, interpreter: Interpreter, platforms: Iterable[str]) -> bool:
    """Whether a wheel of this name is for this interpreter on one of these platforms."""
    from packaging.tags import compatible_tags, cpython_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    abi, version = abi_of(interpreter), tuple(map(int, interpreter.minor.split(".")))
    platforms = list(platforms)
    try:
        wanted = parse_wheel_filename(wheel)[3]
    except InvalidWheelFilename:
        return False
    return not wanted.isdisjoint({*cpython_tags(version, [abi], platforms), *compatible_tags(version, abi, platforms)})


def _check_wheel(name: str, interpreter: Interpreter, package: str) -> None:
    """The C library may be older than where the wheel was chosen."""
    from packaging.tags import platform_tags

    platforms = list(platform_tags())
    if not fits(name, interpreter, platforms):
        as_old = next((tag for tag in platforms if tag.startswith("manylinux_")), None)
        named = "" if as_old is None else f" --platform {as_old}"
        raise EnvironmentFailed(
            f"{name} of the package {package} does not run here: this machine is {platforms[0]}",
            hint=f"Make the package for a system as old as this one: modelport package create{named}",
            code="PACKAGE_OF_ANOTHER_PLATFORM",
        )
