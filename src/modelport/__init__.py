"""Modelport: serve any MLflow model as it is.

``import modelport as mlflow`` gives ``mlflow.models``, ``mlflow.pyfunc`` and ``mlflow.types``; ``modelport.Client`` asks a
control plane. Each is imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelport import models, pyfunc, types
    from modelport.client import Client

__all__ = ["Client", "models", "pyfunc", "types"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Client":
        return importlib.import_module("modelport.client").Client
    if name in __all__:
        return importlib.import_module(f"modelport.{name}")
    raise AttributeError(f"module 'modelport' has no attribute {name!r}")
