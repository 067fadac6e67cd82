"""What can be said of a model before it is loaded: what is missing, what surprises, what nobody can check."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelport.model.inspection.report import Finding as Code
from modelport.model.inspection.report import Inspection
from modelport.model.inspection.text import size_text
from modelport.model.requirements import DIFFERS, MISSING
from modelport.validation.report import FAILED, NOTE, OK, WARNING, Finding

_LOADED = ("data", "model_path", "pickled_model", "python_model", "code")
"""Keys of a flavor that name what it loads."""


def files(found: Inspection, folder: Path, content: dict[str, Any]) -> Iterator[Finding]:
    """Those that the MLmodel file names."""
    missing = [name for name in _named(content) if not os.path.lexists(folder / name)]
    if missing:
        yield Finding("files", FAILED, f"the MLmodel file names what is not there: {', '.join(missing)}")
    else:
        yield Finding("files", OK, f"{found.sizes.files} files, {size_text(found.sizes.bytes)}")


def packages(found: Inspection) -> Iterator[Finding]:
    """What the model asks for beside what is installed where it runs."""
    for package in found.dependencies.packages:
        if package.status in (DIFFERS, MISSING):
            says = f"{package.requirement} is asked for, and {package.installed or 'nothing'} is installed"
            yield Finding("packages", WARNING, says)
    wanted, present = found.dependencies.python_wanted, found.dependencies.python_version
    if wanted is not None and wanted.split(".")[:2] != present.split(".")[:2]:
        yield Finding("python", WARNING, f"the model was made with Python {wanted}, and runs with {present}")


def variables(found: Inspection, given: frozenset[str]) -> Iterator[Finding]:
    """Environment variables that the model asks for."""
    unset = [variable.name for variable in found.variables if not variable.is_set and variable.name not in given]
    if unset:
        says = f"the model asks for variables that are not set: {', '.join(unset)}"
        yield Finding("variables", WARNING, says, f"--env {unset[0]}=VALUE gives it one.")
    elif found.variables:
        names = ", ".join(variable.name for variable in found.variables)
        yield Finding("variables", OK, f"all that the model asks for are set: {names}")


def code(found: Inspection) -> Iterator[Finding]:
    """What runs code when the model is loaded; a warning where more is called than models usually bring."""
    for each in found.code_on_load:
        yield Finding(
            "code", WARNING if _is_unusual(each) else NOTE, f"{each.kind}: {each.path} {each.says}{_names(each)}"
        )


def signature(found: Inspection) -> Iterator[Finding]:
    if found.signature is None:
        yield Finding(
            "signature",
            WARNING,
            "there is none: what comes in is not checked, and clients are not told what to send",
            "Save the model with an input example, or set one: mlflow.models.set_signature(…).",
        )
    elif found.signature.outputs is None:
        yield Finding("signature", NOTE, "it says nothing of outputs: what is answered cannot be held against it")
    else:
        inputs, outputs = found.signature.inputs or (), found.signature.outputs
        yield Finding(
            "signature", OK, f"{len(inputs)} in, {len(outputs)} out, {len(found.signature.params)} parameters"
        )


def _named(content: dict[str, Any]) -> Iterator[str]:
    flavors = [entry for entry in (content.get("flavors") or {}).values() if isinstance(entry, dict)]
    names = [entry.get(key) for entry in flavors for key in _LOADED]
    for entry in flavors:
        artifacts, env = entry.get("artifacts"), entry.get("env")
        for artifact in artifacts.values() if isinstance(artifacts, dict) else ():
            names.append(artifact.get("path") if isinstance(artifact, dict) else None)
        names += list(env.values()) if isinstance(env, dict) else [env]
    info = content.get("saved_input_example_info")
    if isinstance(info, dict):
        names += [info.get("artifact_path"), info.get("serving_input_path")]
    yield from dict.fromkeys(name for name in names if isinstance(name, str) and name)


def _is_unusual(found: Code) -> bool:
    if found.kind == "code path":
        return found.says.endswith("missing")
    return found.scan is not None and (not found.scan.complete or bool(_dangerous(found)))


def _dangerous(found: Code) -> list[str]:
    """Names that a pickle without code of its own has no use for. One that carries code does with it whatever it likes."""
    names = list(found.scan.dangerous) if found.scan else []
    return [] if any(name.startswith("cloudpickle.") for name in names) else names


def _names(found: Code) -> str:
    names = _dangerous(found)
    return f" (it names {', '.join(names[:5])}{' …' if len(names) > 5 else ''})" if names else ""
