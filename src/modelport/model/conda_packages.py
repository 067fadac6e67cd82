"""What a ``conda.yaml`` asks for, and how the packages of conda are called on the Python package index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelport.model import requirement_lines

_ON_PYPI = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "xgboost-cpu": "xgboost",
    "matplotlib-base": "matplotlib",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "py-opencv": "opencv-python-headless",
    "opencv": "opencv-python-headless",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "dask-core": "dask",
    "seaborn-base": "seaborn",
    "h2o-py": "h2o",
    "python-flatbuffers": "flatbuffers",
}
_BUILD = ("pip", "setuptools", "wheel")
_NO_PYTHON_PACKAGE = re.compile(
    r"_.*|r-.*|lib.*|cuda.*|cudnn|nccl|gcc.*|gxx.*|.*_linux-64|openssl|ca-certificates|nomkl|mkl|blas|openblas|openjdk|llvm-openmp|"
    r"cpuonly|pytorch-cuda|pytorch-mutex|ffmpeg|sqlite|readline|ncurses|tk|xz|zlib|bzip2|ld_impl.*|git|make|cmake|graphviz"
)
_SPEC = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[=<>!~\d].*)?")


@dataclass(frozen=True)
class Asked:
    """``on_pypi``: name → requirement, of what conda is asked for and the index has too."""

    python: str | None = None
    pip: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    on_pypi: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    build_dependencies: tuple[str, ...] = ()


def read(content: Mapping[str, Any]) -> Asked:
    """Of the content of a ``conda.yaml``."""
    dependencies = content.get("dependencies")
    dependencies = dependencies if isinstance(dependencies, list) else []
    python, on_pypi, left_out, build = None, {}, [], []
    asked = [str(entry) for entry in dependencies if isinstance(entry, str)]
    for entry in asked:
        name, version = _parts(entry)
        if name == "python":
            python = version or None
        elif name in _BUILD:
            build.append(f"{name}{_specifier(version)}")
        elif _NO_PYTHON_PACKAGE.fullmatch(name):
            left_out.append(entry)
        else:
            name = _ON_PYPI.get(name, name)
            line = requirement_lines.normal(f"{name}{_specifier(version)}")
            if line is None:
                left_out.append(entry)
            else:
                on_pypi[requirement_lines.name_of(line) or name] = line
    channels = content.get("channels")
    return Asked(
        python=None if python is None else python.lstrip("=").removesuffix(".*"),
        pip=tuple(pip_section(content) or ()),
        channels=tuple(map(str, channels)) if isinstance(channels, list) else (),
        asked=tuple(asked),
        on_pypi=on_pypi,
        left_out=tuple(left_out),
        build_dependencies=tuple(build),
    )


def pip_section(conda: Mapping[str, Any]) -> list[str] | None:
    """The requirements for pip in the content of a ``conda.yaml``; None where it has no such section."""
    dependencies = conda.get("dependencies")
    for entry in dependencies if isinstance(dependencies, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            return [str(line) for line in entry["pip"]]
    return None


def _parts(entry: str) -> tuple[str, str]:
    found = _SPEC.fullmatch(entry.strip())
    if found is None:
        return entry.strip().lower(), ""
    return found["name"].lower(), (found["version"] or "").strip()


def _specifier(version: str) -> str:
    """A match specification of conda as PEP 440 has it: ``=1.2`` is a prefix, ``=1.2.3=py310_0`` names a build too."""
    if not version or "|" in version:
        return ""
    if version[0].isdigit():
        version = f"={version}"
    exact = re.fullmatch(r"(={1,2})\s*([^=<>!~,\s]+)(?:[=\s].*)?", version)
    if exact is None:
        return version.replace(" ", "")
    wanted = exact[2].removesuffix(".*").removesuffix("*")
    is_prefix = exact[2].endswith("*") or (exact[1] == "=" and version.count("=") == 1)
    return f"=={wanted}.*" if is_prefix else f"=={wanted}"
