"""The flavors: one module each, in the order in which they are asked."""

from typing import Any, BinaryIO, Dict, Optional, Protocol, Tuple

from modelport_runtime.flavors import generic, onnx, python_function, sklearn
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.model import Model
from modelport_runtime.pickled_code import holds_code


class Flavor(Protocol):
    """What each module of this package offers."""

    NAME: str
    """Its key under ``flavors`` in the MLmodel file."""

    def handles(self, loader_module: str) -> bool:
        """Whether it can load what this module would load."""

    def pickled(self, model: Model) -> Optional[BinaryIO]:
        """The pickle that loading opens, if it may bring code by value: looked into before it runs on another Python."""

    def load(self, model: Model, config: Dict[str, Any]) -> Predictor:
        """Load the native part; ``config`` is the merged model configuration. Raises what loading raises."""


FLAVORS: Tuple[Flavor, ...] = (sklearn, onnx, python_function, generic)
"""``generic`` handles every module that can be imported, so it stands last."""


def flavor_for(loader_module: str) -> Flavor:
    """The flavor that loads what ``loader_module`` names."""
    return next(flavor for flavor in FLAVORS if flavor.handles(loader_module))


def brings_foreign_code(model: Model, flavor: Flavor, running: str) -> bool:
    """Whether loading opens a pickle that brings code of another minor version than ``running`` (``"3.11"``)."""
    written_by = model.pyfunc.get("python_version")
    if written_by is None or minor_version(written_by) == running:
        return False
    file = flavor.pickled(model)
    if file is None:
        return False
    with file:
        return holds_code(file)


def minor_version(python_version: Any) -> str:
    """``3.11`` of ``3.11.7``."""
    return ".".join(str(python_version).split(".")[:2])


def needs_mlflow(loader_module: str) -> bool:
    """Whether what ``loader_module`` names is part of mlflow, and nothing here can stand in for it."""
    return flavor_for(loader_module) is generic and loader_module.split(".")[0] == "mlflow"
