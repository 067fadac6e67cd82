"""What uv could not find or install: its words, and a few questions to the index, become one cause."""

import re
from pathlib import Path

from modelport.environments.failures import demands
from modelport.environments.failures.cause import disk_full, failed
from modelport.environments.failures.demands import Demand
from modelport.environments.failures.index import Index
from modelport.environments.failures.network import of_network
from modelport.environments.failures.source_builds import no_wheel, of_build
from modelport.environments.interpreters import Interpreter
from modelport.errors import EnvironmentFailed
from modelport.model import requirement_lines
from modelport.model.environment_spec import EnvironmentSpec

_NO_ROOM = re.compile(r"No space left on device|os error 28|ENOSPC|Disk quota exceeded")
_PATH = re.compile(r"[`\"'\s](/[^`\"':\s]+)")
_OTHER_PYTHON = re.compile(
    r"does not satisfy Python[<>=!~]\S+ and (?P<pin>[A-Za-z0-9][\w.-]*[<>=!~]\S*) depends on Python ?(?P<wants>[<>=!~]\S*?),? "
    r"|Because (?P<local>[A-Za-z0-9][\w.-]*[<>=!~]\S*) requires Python (?P<needs>[<>=!~]\S*?),? "
)
_NO_WHEEL = re.compile(r"(\S+==\S+) has no (?:usable )?wheels")
_PLATFORMS = re.compile(r"Wheels are available for `[^`]+`(?: \([^)]*\))? on the following platforms?: ([^\n]+)")
_HASH = re.compile(r"Hash mismatch for `([^`]+)`")


def of_resolving(
    output: str, spec: EnvironmentSpec, interpreter: Interpreter, offline: bool, log: Path
) -> EnvironmentFailed:
    """Of ``uv pip compile``."""
    return _cause(output, Index(spec, interpreter, offline, log), "resolved")


def of_installing(
    output: str, spec: EnvironmentSpec, interpreter: Interpreter, offline: bool, log: Path
) -> EnvironmentFailed:
    """Of ``uv venv`` and ``uv pip install``."""
    return _cause(output, Index(spec, interpreter, offline, log), "installed")


def _cause(output: str, index: Index, what: str) -> EnvironmentFailed:
    log = index.log
    return (
        _no_room(output, log.parents[2])
        or _not_cached(output, log)
        or of_network(output, log)
        or _other_hash(output, log)
        or of_build(output, index, log)
        or _unknown(output, index)
        or _conflict(output, log)
        or _for_other_python(output, index)
        or _absent(output, index)
        or failed(
            "ENVIRONMENT_NOT_BUILT",
            f"the model's requirements cannot be {what}: {_shortened(output)}",
            "Correct what the model's files ask for, or replace single requirements: -r NAME==VERSION",
            log,
        )
    )


def _no_room(output: str, home: Path) -> EnvironmentFailed | None:
    if not _NO_ROOM.search(output):
        return None
    named = [Path(path) for path in _PATH.findall(output)]
    if not named or any(path.is_relative_to(home) for path in named):
        return disk_full(home)
    hint = "Make room there; UV_CACHE_DIR names another place for what is downloaded, TMPDIR for what is built."
    return disk_full(named[-1].parent, hint)


def _not_cached(output: str, log: Path) -> EnvironmentFailed | None:
    if "network was disabled" not in output and "Network connectivity is disabled" not in output:
        return None
    wanted = re.search(r"Because (\S+) was not found in the cache", demands.sentence(output))
    address = re.search(r"wasn't found in the cache for: `([^`]+)`", output)
    name = wanted[1] if wanted is not None else address[1].rsplit("/", 1)[-1] if address is not None else "a package"
    return failed(
        "ENVIRONMENT_NOT_CACHED",
        f"{name} was never downloaded, and with --offline nothing is",
        "Build the environment once without --offline (modelport prepare-env -m MODEL); it is then there for good.",
        log,
    )


def _other_hash(output: str, log: Path) -> EnvironmentFailed | None:
    found = _HASH.search(output)
    if found is None:
        return None
    return failed(
        "ENVIRONMENT_HASH_MISMATCH",
        f"the file that the index has for {found[1]} is not the one whose hash the model's requirements name",
        "Find out who changed the file before you install it; the hashes stand in the log.",
        log,
    )


def _for_other_python(output: str, index: Index) -> EnvironmentFailed | None:
    said = demands.sentence(output)
    told = list(_OTHER_PYTHON.finditer(said))
    if told:
        pin, wants = told[-1]["pin"] or told[-1]["local"], told[-1]["wants"] or told[-1]["needs"]
        name = requirement_lines.name_of(pin) or pin
        newest = index.newest(name)
        return failed(
            "ENVIRONMENT_NO_WHEEL",
            f"{pin} is for Python {wants}, and the model's is {index.interpreter.version}",
            f"Ask for the newest version for it: -r {name}=={newest}"
            if newest and not pin.endswith(f"={newest}")
            else f"Run the model on Python {wants}: python_env.yaml names its Python.",
            index.log,
        )
    without = _NO_WHEEL.search(said)
    if without is None:
        return None
    pythons, platforms = index.pythons(without[1]), _PLATFORMS.search(output)
    if pythons or platforms is None:
        return no_wheel(without[1], pythons, index)
    return failed(
        "ENVIRONMENT_NO_WHEEL",
        f"{without[1]} has no wheel for this machine, only for {platforms[1].replace('`', '')}",
        f"Ask for a version that has one: -r {requirement_lines.name_of(without[1])}==VERSION",
        index.log,
    )


def _unknown(output: str, index: Index) -> EnvironmentFailed | None:
    name = demands.unknown_name(output)
    if name is None:
        return None
    refused = of_network(index.refusal(name), index.log)
    if refused is not None:
        return refused
    told = [demand for demand in demands.demands(output) if demand.name == requirement_lines.name_of(name)]
    who = _who(told[0], index.spec) if told else f"the model asks for {name}"
    return failed(
        "ENVIRONMENT_NO_SUCH_PACKAGE",
        f"{who}; no index that is known here has a package of this name",
        "Name the index that has it (UV_INDEX, or --extra-index-url in pip's configuration), or put its wheel "
        "into the model and its file's name into requirements.txt.",
        index.log,
    )


def _absent(output: str, index: Index) -> EnvironmentFailed | None:
    demand = demands.absent_version(output)
    if demand is None:
        return None
    versions = re.findall(r"(?:==?=?|[<>~!]=?)\s*([\w.+-]+)", demand.asks)
    near = index.neighbours(demand.name, versions[0].removesuffix(".*")) if versions else []
    asked = f"-r {demand.name}=={near[-1]}" if near else f"-r {demand.name}==VERSION"
    return failed(
        "ENVIRONMENT_NO_SUCH_VERSION",
        f"{_who(demand, index.spec)}, which no index has; "
        + (f"the nearest: {' and '.join(near)}" if near else "there is no version near it"),
        f"Ask for one that there is: {asked}",
        index.log,
    )


def _conflict(output: str, log: Path) -> EnvironmentFailed | None:
    pair = demands.conflict(output)
    if pair is None:
        return None
    one, other = pair
    if one.who is None and other.who is not None:
        hint = f"Let the model ask for what {other.who} can work with: -r '{other.asks}'"
    elif one.who is None:
        hint = f"Keep the one that is right: -r '{other.asks}', or -r '{one.asks}'"
    else:
        hint = f"Ask for another version of one of the two: -r '{requirement_lines.name_of(one.who)}'"
    return failed(
        "ENVIRONMENT_CONFLICT",
        f"{one}, but {other}"
        if other.who is not None or one.who is not None
        else f"{one} and for {other.asks} at once",
        hint,
        log,
    )


def _who(demand: Demand, spec: EnvironmentSpec) -> str:
    """The demand with the file that has it."""
    return f"{spec.source or 'the model'} asks for {demand.asks}" if demand.who is None else str(demand)


def _shortened(output: str) -> str:
    return demands.sentence(output)[-600:]
