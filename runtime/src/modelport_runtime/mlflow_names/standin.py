"""The mlflow names that pickles and models from code mention, importable where mlflow is not installed.

Modules with real specs come from a finder in front of ``sys.meta_path``, so that ``importlib.util.find_spec("mlflow")``
answers as for any package. Every other mlflow name fails and says that it needs the real thing.
"""

import enum
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any, Callable, Dict, Optional

from modelport_runtime.data_types import SCALAR_TYPES
from modelport_runtime.mlflow_names import model_config, python_model, type_hints
from modelport_runtime.mlflow_names.mlflow_exception import MlflowException

NEEDS_MLFLOW = (
    "needs the real mlflow in the model's environment: without it Modelport supplies only what models mention"
)


class _Inert:
    """A value that lies in a pickle and that nobody uses (signatures, mostly): keeps its state."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.arguments = (args, kwargs)


def _inert(module: str, *names: str) -> Dict[str, Any]:
    return {name: type(name, (_Inert,), {"__module__": module}) for name in names}


_SCHEMA = {
    # Pickled by name or by number, depending on the Python that wrote it.
    "DataType": enum.Enum("DataType", SCALAR_TYPES, module="mlflow.types.schema"),
    **_inert("mlflow.types.schema", "Schema", "ColSpec", "TensorSpec", "TensorInfo", "ParamSchema", "ParamSpec"),
    **_inert("mlflow.types.schema", "Array", "Object", "Property", "Map", "AnyType"),
}
_CONTENTS: Dict[str, Dict[str, Any]] = {
    "mlflow": {"MlflowException": MlflowException},
    "mlflow.exceptions": {"MlflowException": MlflowException},
    "mlflow.models": {"ModelConfig": model_config.ModelConfig, "set_model": model_config.set_model},
    "mlflow.models.model_config": {"ModelConfig": model_config.ModelConfig},
    "mlflow.models.signature": {
        "_TypeHints": python_model.TypeHints,
        **_inert("mlflow.models.signature", "ModelSignature"),
    },
    "mlflow.pyfunc": {
        "PythonModel": python_model.PythonModel,
        "PythonModelContext": python_model.PythonModelContext,
    },
    "mlflow.pyfunc.model": {
        "PythonModel": python_model.PythonModel,
        "PythonModelContext": python_model.PythonModelContext,
        "_FunctionPythonModel": python_model.FunctionPythonModel,
    },
    "mlflow.pyfunc.utils": {"pyfunc": python_model.pyfunc},
    "mlflow.pyfunc.utils.data_validation": {
        "FuncInfo": type_hints.FuncInfo,
        "_validate_model_input": type_hints.validate_model_input,
        "pyfunc": python_model.pyfunc,
    },
    "mlflow.types": _SCHEMA,
    "mlflow.types.schema": _SCHEMA,
    "mlflow.types.type_hints": {"TypeFromExample": type_hints.TypeFromExample},
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the modules of ``_CONTENTS``."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname not in _CONTENTS:
            return None
        is_package = any(name.startswith(fullname + ".") for name in _CONTENTS)
        return importlib.machinery.ModuleSpec(fullname, self, origin="modelport stand-in", is_package=is_package)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_CONTENTS[module.__name__], __getattr__=_missing(module.__name__))


def _missing(module: str) -> Callable[[str], Any]:
    """The module's ``__getattr__``: submodules come when they are asked for, as mlflow's own do."""

    def get(name: str) -> Any:
        if f"{module}.{name}" in _CONTENTS:
            return importlib.import_module(f"{module}.{name}")
        if name.startswith("__"):
            raise AttributeError(name)  # asked by the import system and by inspection, not by a model
        raise AttributeError(f"{module}.{name} {NEEDS_MLFLOW}")

    return get


_FINDER = _Finder()


def install() -> bool:
    """Make the names importable unless mlflow itself is installed. True when the stand-in is what models get."""
    if mlflow_is_installed():
        return False
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
        importlib.invalidate_caches()
    return True


def mlflow_is_installed() -> bool:
    """Whether the real mlflow can be imported here. A mere folder named mlflow is not it."""
    module = sys.modules.get("mlflow")
    if module is not None:
        spec = module.__spec__
    else:
        spec = next((s for s in (_spec_of(f) for f in sys.meta_path if f is not _FINDER) if s is not None), None)
    return spec is not None and spec.loader is not _FINDER and spec.origin is not None


def _spec_of(finder: Any) -> Optional[importlib.machinery.ModuleSpec]:
    find = getattr(finder, "find_spec", None)
    return find("mlflow", None, None) if find is not None else None
