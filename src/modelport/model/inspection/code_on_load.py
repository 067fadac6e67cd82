"""What executes code when a model is loaded: pickles, code paths, models from code, loader modules, skops' trusted types."""

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from modelport.model.inspection import pickles
from modelport.model.inspection.report import Finding

_CLOUDPICKLE = "cloudpickle."
_LIBRARIES = ("sklearn", "numpy", "scipy")
"""skops trusts most of their types by itself."""


def find(folder: Path, files: list[str], flavors: dict[str, dict[str, Any]]) -> tuple[Finding, ...]:
    """All of it in the model whose ``files`` are given by their paths in ``folder``."""
    pyfunc = flavors.get("python_function", {})
    return (
        *_loader_module(pyfunc),
        *_model_from_code(pyfunc),
        *_code_paths(folder, files, flavors),
        *_trusted_types(flavors),
        *_pickles(folder, files, flavors),
    )


def _loader_module(pyfunc: dict[str, Any]) -> Iterator[Finding]:
    module = str(pyfunc.get("loader_module") or "")
    if module and module.split(".")[0] != "mlflow":
        yield Finding("loader module", module, "is imported, and its _load_pyfunc is called")


def _model_from_code(pyfunc: dict[str, Any]) -> Iterator[Finding]:
    path = pyfunc.get("model_code_path")
    if path:  # of the author's machine, whichever that was; only the last part counts
        yield Finding("model from code", PureWindowsPath(str(path)).name, "is run from its first line to its last")


def _code_paths(folder: Path, files: list[str], flavors: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    for code in dict.fromkeys(str(entry["code"]) for entry in flavors.values() if entry.get("code")):
        modules = [name for name in files if Path(name).is_relative_to(code) and name.endswith((".py", ".pyc", ".so"))]
        says = f"comes first on sys.path: {len(modules)} Python files can be imported from it, whatever they are named"
        yield Finding(
            "code path", code, says if (folder / code).is_dir() else "is named by the MLmodel file and missing"
        )


def _trusted_types(flavors: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    for name, entry in flavors.items():
        types = entry.get("skops_trusted_types")
        if isinstance(types, list) and types:
            says = f"the MLmodel file has skops make objects of these types: {', '.join(map(str, types))}"
            own = any(str(type_).split(".")[0] not in _LIBRARIES for type_ in types)
            yield Finding("trusted types", str(entry.get("pickled_model") or name), says, brings_code=own)


def _unpickled(flavors: dict[str, dict[str, Any]]) -> set[str]:
    """The files that the MLmodel file has unpickled, whatever they are called."""
    pyfunc, sklearn = flavors.get("python_function", {}), flavors.get("sklearn")
    named = {pyfunc.get("python_model")}
    if sklearn is None and pyfunc.get("loader_module") == "mlflow.sklearn":
        sklearn = {}
    if sklearn is not None and sklearn.get("serialization_format", "pickle") in ("pickle", "cloudpickle"):
        named |= {pyfunc.get("model_path"), pyfunc.get("data"), sklearn.get("pickled_model")}
    return {os.path.normpath(str(name)) for name in named if name}


def _pickles(folder: Path, files: list[str], flavors: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    named = _unpickled(flavors)
    elsewhere = sorted(name for name in named.difference(files) if (folder / name).is_file())
    for name in [*files, *elsewhere]:
        scan = pickles.scan(folder / name, name in named)
        if scan is None:
            continue
        if any(found.startswith(_CLOUDPICKLE) for found in scan.dangerous):
            says = "is a pickle that carries code of its own, as every pickled Python model does"
        elif os.path.splitext(name)[0].startswith("artifacts/"):
            says = "is a pickle: it can run any code, if the model loads it"
        else:
            says = "is a pickle: loading it can run any code"
        yield Finding("pickle", name, says, scan, brings_code=bool(scan.dangerous))
