"""``--allow``: what may run when a model is loaded. Decided from its files alone, before anything of it is opened."""

import os
from pathlib import Path
from typing import Any

from modelport.errors import InvalidInput, ModelNotAllowed
from modelport.model.inspection import code_on_load
from modelport.model.inspection.report import Finding
from modelport_runtime.model import PYFUNC, Model

CODE, PICKLE, NONE = ALLOWED = ("code", "pickle", "none")
"""Everything, as MLflow has it · pickles, but no code that comes with the model · neither."""
_WITHOUT_CODE = ("mlflow.sklearn", "mlflow.onnx")
"""Loaders of which we know all that they open; of others nobody looked whether their files hold code."""
_SHOWN = 20
"""Reasons in one message."""
_NAMES = 3
"""Names of a pickle in one reason."""


def check(folder: Path, mlmodel: dict[str, Any], allow: str) -> None:
    """Let a model pass, or say all that speaks against it.

    Raises:
        ModelNotAllowed: loading it runs what is not allowed.
        InvalidInput: ``allow`` is none of ``ALLOWED``.
    """
    if allow not in ALLOWED:
        raise InvalidInput(f"'{allow}' is none of {', '.join(ALLOWED)}", hint="That is what a model may bring.")
    if allow == CODE:
        return
    flavors = Model.from_mlmodel(str(folder), mlmodel).flavors
    findings = code_on_load.find(folder, _files(folder), flavors)
    reasons = [_reason(finding) for finding in findings if allow == NONE or finding.brings_code]
    loader = str(flavors.get(PYFUNC, {}).get("loader_module") or "")
    if allow == NONE and not reasons and loader not in _WITHOUT_CODE:
        reasons.append(f"the files of the loader module '{loader}' may hold code: nobody looks into them")
    if allow == NONE and _has_options(flavors.get("onnx", {}).get("providers")):
        reasons.append("the MLmodel file gives options to ONNX's execution providers, which can name libraries to load")
    if reasons:
        more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
        raise ModelNotAllowed(
            f"--allow {allow} refuses the model {folder}:\n  " + "\n  ".join([*reasons[:_SHOWN], *more]),
            hint=f"Where you trust its author: --allow {'code' if allow == PICKLE else 'pickle or --allow code'}.",
        )


def _reason(finding: Finding) -> str:
    named = "" if finding.scan is None else ", ".join(finding.scan.dangerous[:_NAMES])
    return f"{finding.path} ({finding.kind}) {finding.says}" + (f" (it names {named})" if named else "")


def _has_options(providers: Any) -> bool:
    return isinstance(providers, list) and not all(isinstance(provider, str) for provider in providers)


def _files(folder: Path) -> list[str]:
    found = [Path(parent, name).relative_to(folder) for parent, _, names in os.walk(folder) for name in names]
    return sorted(path.as_posix() for path in found)
