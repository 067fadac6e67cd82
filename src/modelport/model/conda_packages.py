"""What a ``conda.yaml`` asks for, and how the packages of conda are called on the Python package index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelport.model import requirement_lines

_ON_PYPI = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "torchtriton": "triton",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "xgboost-cpu": "xgboost",
    "numpy-base": "numpy",
    "matplotlib-base": "matplotlib",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "brotli-python": "brotli",
    "python-xxhash": "xxhash",
    "python-lmdb": "lmdb",
    "python-graphviz": "graphviz",
    "ruamel_yaml": "ruamel.yaml",
    "pyqt": "pyqt5",
    "py-opencv": "opencv-python-headless",
    "opencv": "opencv-python-headless",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "pyarrow-core": "pyarrow",
    "dask-core": "dask",
    "seaborn-base": "seaborn",
    "h2o-py": "h2o",
    "python-flatbuffers": "flatbuffers",
}
_BUILD = ("pip", "setuptools", "wheel")
_NO_PYTHON_PACKAGE = re.compile(
    r"_.*|r-.*|lib(?!rosa|cst|sass|tmux).*|cuda.*|cudnn|nccl|gcc.*|gxx.*|binutils.*|sysroot_.*|kernel-headers.*|.*_linux-64|"
    r"xorg-.*|aws-.*|.*-cpp|ld_impl.*|python_abi|conda.*|anaconda.*|mkl.*|gst-.*|gstreamer|qt|qt-.*|qtwebkit|x26[45]|"
    r"openssl|ca-certificates|nomkl|blas|openblas|openjdk|llvm-openmp|intel-openmp|tbb|cpuonly|pytorch-cuda|pytorch-mutex|"
    r"ffmpeg|sqlite|readline|ncurses|tk|xz|zlib|bzip2|zstd|lz4-c|snappy|expat|icu|jpeg|giflib|lcms2|freetype|fontconfig|"
    r"openjpeg|openh264|pcre2?|krb5|c-ares|nspr|nss|dbus|glib|gmp|mpfr|mpc|cairo|pango|pixman|harfbuzz|boost|hdf[45]|"
    r"geos|proj|gdal|gflags|glog|re2|orc|s2n|utf8proc|yaml|zeromq|unixodbc|openmpi|mpich|nodejs|"
    r"brotli-bin|cyrus-sasl|gnutls|nettle|keyutils|lame|lerc|mysql|nlohmann_json|rhash|"
    r"git|make|cmake|ninja|graphviz|curl|wget"
)
_SPEC = re.compile(r"(?:[^\s=<>!~\[]+::)?(?P<name>[\w.-]+)\s*(?P<version>[=<>!~\d*].*)?")
_BRACKETS = re.compile(r"(?P<name>[^\[]+)\[(?:[^\]]*,)?\s*version\s*=\s*(['\"]?)(?P<version>[^'\"\]]+)\2.*\]")
_CLAUSE = re.compile(r"(?P<operator>[=<>!~]{0,2})\s*(?P<version>[\w.*+!-]+)(?P<build>[=\s]\s*\S+)?")


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
            python = re.sub(r"^==([\d.]+?)(\.\*)?$", r"\1", _specifier(version)) or None
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
        python=python,
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
    entry = _BRACKETS.sub(r"\g<name> \g<version>", entry.strip())
    found = _SPEC.fullmatch(entry)
    if found is None:
        return entry.lower(), ""
    return found["name"].lower(), (found["version"] or "").strip()


def _specifier(version: str) -> str:
    """A match specification of conda as PEP 440 has it; none for what it cannot say."""
    if "|" in version:
        return ""
    return ",".join(filter(None, map(_clause, version.split(","))))


def _clause(text: str) -> str:
    """``=1.2`` is a prefix, ``1.2`` and ``==1.2`` are exact, and so is what names a build: ``=1.2.3=py310_0``."""
    found = _CLAUSE.fullmatch(text.strip())
    if found is None:
        return text.strip()
    operator, version = found["operator"], found["version"].rstrip("*").rstrip(".")
    if not version:
        return ""
    is_prefix = found["version"].endswith("*")
    if operator in ("", "=", "=="):
        return f"=={version}.*" if is_prefix or (operator == "=" and found["build"] is None) else f"=={version}"
    return f"{operator}{version}{'.*' if is_prefix and operator == '!=' else ''}"
