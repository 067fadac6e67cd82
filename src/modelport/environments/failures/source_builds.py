"""Source archives that could not be built: no wheel for this Python, and what the build missed."""

import re
from pathlib import Path

from modelport.environments.failures import system_libraries
from modelport.environments.failures.cause import failed
from modelport.environments.failures.index import Index
from modelport.errors import EnvironmentFailed
from modelport.model import requirement_lines

_BUILT = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_NO_PROGRAM = (
    re.compile(r"command '?([\w./+-]+?)'? failed: No such file or directory"),
    re.compile(
        r"(?:unable to execute|could not find|Unable to find) '?((?:[\w/-]*-)?(?:gcc|g\+\+|cc|c\+\+|clang|gfortran))\b"
    ),
    re.compile(r"can't find (Rust) compiler"),
    re.compile(
        r"No such file or directory: '((?:[\w-]*-)?(?:gcc|g\+\+|cc|cmake|cargo|rustc|swig|make|ninja|gfortran|nvcc))'"
    ),
    re.compile(r"Unknown compiler\(s\): \[\[?'([\w+-]+)'"),
    re.compile(r"No (CMAKE_CX?X?_COMPILER) could be found"),
    re.compile(r"Is the (Rust) toolchain in PATH"),
)
_SPELLED = {"Rust": "rustc", "CMAKE_C_COMPILER": "cc", "CMAKE_CXX_COMPILER": "c++"}
_NO_HEADER = re.compile(r"fatal error: '?([\w./+-]+\.h(?:pp)?)'?(?::| file) ")
_NO_CONFIG = re.compile(r"((?:pg|mysql|gdal)[_-]config)\b[^\n]*(?:not found|No such file|is required)")
_SETUPTOOLS = re.compile(r"No module named '?(pkg_resources|setuptools|distutils)\b")
_LAST = re.compile(r"^\s*((?:[\w.]*(?:Error|Exception)|error|ERROR)\b:? .+)$", re.MULTILINE)


def of_build(output: str, index: Index, log: Path) -> EnvironmentFailed | None:
    """Why a source archive could not be built; None where uv's output tells of no build."""
    built = _BUILT.search(output)
    if built is None:
        return None
    pin = built[1]
    requirement = requirement_lines.parsed(pin)
    pythons = index.pythons(pin) if requirement is not None and requirement.url is None else []
    if pythons:
        return no_wheel(pin, pythons, index)
    program = next(filter(None, (pattern.search(output) for pattern in _NO_PROGRAM)), None)
    if program is not None:
        name = _SPELLED.get(program[1], program[1].rpartition("/")[2].rpartition("-")[2])  # x86_64-linux-gnu-gcc
        return failed(
            "ENVIRONMENT_NO_COMPILER",
            f"{pin} has to be built from its source, and this machine has no {name}",
            f"{system_libraries.to_build(name)}, or ask for a version of {_name(pin)} that has a wheel",
            log,
        )
    header = _NO_HEADER.search(output) or _NO_CONFIG.search(output)
    if header is not None:
        return failed(
            "ENVIRONMENT_NO_SYSTEM_LIBRARY",
            f"{pin} has to be built from its source, which needs {header[1]}, and this machine does not have it",
            system_libraries.to_build(header[1]),
            log,
        )
    module = _SETUPTOOLS.search(output)
    if module is not None:
        return failed(
            "ENVIRONMENT_NO_SETUPTOOLS",
            f"{pin} has to be built from its source, which takes {module[1]} for granted; "
            "the setuptools of today does not bring it",
            "Have an older one build it: echo 'setuptools<81' > old.txt; export UV_BUILD_CONSTRAINT=$PWD/old.txt",
            log,
        )
    said = _LAST.findall(output)
    return failed(
        "ENVIRONMENT_BUILD_FAILED",
        f"{pin} has to be built from its source, which fails: {said[-1].strip()[:300] if said else 'see the log'}",
        f"Ask for a version of {_name(pin)} that has a wheel for Python {index.interpreter.minor}: -r {_name(pin)}==VERSION",
        log,
    )


def no_wheel(pin: str, pythons: list[str], index: Index) -> EnvironmentFailed:
    """A pin that has wheels for ``pythons``, and none for the model's."""
    name, version, minor = _name(pin), pin.rpartition("==")[2], index.interpreter.minor
    near = index.neighbours(name, version, wheels=True)
    those = ", ".join(pythons)
    return failed(
        "ENVIRONMENT_NO_WHEEL",
        f"{pin} has no wheel for Python {minor}, only for {those}",
        f"Ask for the nearest version that has one: -r {name}=={near[-1]}"
        if near
        else f"Run the model on one of those ({those}): python_env.yaml names its Python.",
        index.log,
    )


def _name(pin: str) -> str:
    return requirement_lines.name_of(pin) or pin
