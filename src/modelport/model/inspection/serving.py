"""Which part of Modelport would load a model, and whether it could in a given environment."""

from collections.abc import Mapping
from typing import Any

from modelport.errors import ModelportError
from modelport.model.inspection.report import Serving
from modelport_runtime.flavors import brings_foreign_code, flavor_for, needs_mlflow
from modelport_runtime.model import PYFUNC, Model


def serving(model: Model, environment: Mapping[str, Any]) -> Serving:
    """In an environment as ``modelport_runtime.distributions.describe`` tells it, asked for ``mlflow`` too."""
    if PYFUNC not in model.flavors:
        others = ", ".join(sorted(model.flavors)) or "none"
        return Serving(None, None, f"it has no {PYFUNC} flavor, so Python cannot call it (its flavors: {others})")
    loader = model.pyfunc.get("loader_module")
    if not isinstance(loader, str) or not loader:
        return Serving(None, None, f"its {PYFUNC} flavor names no loader_module")
    python_problem = _python_problem(model, loader, environment["markers"]["python_version"])
    if needs_mlflow(loader):
        missing = f"{loader} is part of mlflow, which is not installed in its environment"
        return Serving(loader, "mlflow", python_problem if environment["versions"]["mlflow"] else missing)
    own = flavor_for(loader).NAME if loader.split(".")[0] == "mlflow" else loader
    return Serving(loader, own, python_problem)


def _python_problem(model: Model, loader: str, running: str) -> str | None:
    """Code in a pickle can crash another minor version of Python, so it is not loaded there."""
    try:
        if not brings_foreign_code(model, flavor_for(loader), running):
            return None
    except (ModelportError, OSError):  # a file that is missing or packed as nobody knows: loading says so
        return None
    written_by = model.pyfunc["python_version"]
    return f"it was pickled by Python {written_by} together with its code, which can crash Python {running}"
