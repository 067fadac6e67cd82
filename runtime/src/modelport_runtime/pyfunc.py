"""``PyFuncModel``: a loaded model; data and parameters are held against its signature before it predicts."""

import dataclasses
import importlib
import json
import logging
import os
import sys
import traceback
from typing import Any, Callable, Dict, Iterator, Optional, Union

from modelport_runtime.enforcement.data import enforce
from modelport_runtime.enforcement.params import enforce_params
from modelport_runtime.errors import InvalidInput, ModelNotLoadable, ModelportError
from modelport_runtime.flavors import Flavor, brings_foreign_code, flavor_for, minor_version
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.mlflow_names.model_config import read_yaml
from modelport_runtime.mlflow_names.type_hints import to_example_type
from modelport_runtime.model import Model
from modelport_runtime.policy import LENIENT
from modelport_runtime.schema import Signature

log = logging.getLogger(__name__)

ModelConfig = Union[Dict[str, Any], str, None]


class PyFuncModel:
    """A loaded model of any flavor."""

    def __init__(self, metadata: Model, predictor: Predictor) -> None:
        self.metadata = metadata
        self.predictor = predictor

    @property
    def signature(self) -> Optional[Signature]:
        return self.metadata.signature

    @property
    def model_config(self) -> Dict[str, Any]:
        """The saved configuration with the overrides of this load."""
        return self.metadata.pyfunc.get("config") or {}

    @property
    def loader_module(self) -> str:
        return str(self.metadata.pyfunc["loader_module"])

    @property
    def model_id(self) -> Optional[str]:
        return self.metadata.model_id

    @property
    def input_example(self) -> Any:
        """The example given when the model was saved; None when there is none or it cannot be read."""
        try:
            return self.metadata.load_input_example()
        except Exception as error:  # noqa: BLE001  a spoilt example is no reason to fail, as in MLflow
            log.debug("the input example cannot be read: %r", error)
            return None

    def predict(self, data: Any, params: Optional[Dict[str, Any]] = None) -> Any:
        """The model's prediction, whatever its type.

        Raises ``SchemaMismatch`` when data or parameters do not fit the signature, else what the model itself raises.
        """
        signature = self.signature
        if signature is not None and signature.inputs is not None and not signature.is_from_type_hint:
            data = enforce(data, signature.inputs, LENIENT)
        return self.predictor.predict(data, self._params(params))

    def predict_stream(self, data: Any, params: Optional[Dict[str, Any]] = None) -> Iterator[Any]:
        """The chunks of a streaming model's answer to one input. Errors come with the first chunk."""
        stream = self.predictor.predict_stream
        if stream is None:
            raise InvalidInput("this model does not support predict_stream")
        signature = self.signature
        if signature is not None and signature.inputs is not None:
            data = enforce(data, signature.inputs, LENIENT)
        yield from stream(single_input(data), self._params(params))

    def _params(self, params: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
        specs = self.signature.params if self.signature is not None else None
        return params if not params and specs is None else enforce_params(params, specs)

    def unwrap_python_model(self) -> Any:
        """The ``PythonModel`` instance. Raises ``InvalidInput`` for models of another kind."""
        if self.predictor.python_model is None:
            raise InvalidInput(f"there is no PythonModel in a model loaded by {self.loader_module}")
        return self.predictor.python_model

    def get_raw_model(self) -> Any:
        """The model as its own library knows it."""
        return self.predictor.native

    def __repr__(self) -> str:
        facts = {"artifact_path": self.metadata.other.get("artifact_path"), "flavor": self.loader_module}
        facts["run_id"] = self.metadata.run_id
        lines = [f"  {name}: {value}\n" for name, value in facts.items() if value is not None]
        return "mlflow.pyfunc.loaded_model:\n" + "".join(lines)


def load(
    folder: str, mlmodel: Dict[str, Any], model_config: ModelConfig = None, allow_python_mismatch: bool = False
) -> PyFuncModel:
    """Load the model in ``folder`` whose MLmodel file was parsed to ``mlmodel``.

    ``model_config`` (a dictionary or the path of a YAML file) overrides keys of the saved configuration. A pickle that
    brings code of another Python is refused before it is opened, but for ``allow_python_mismatch``. Raises
    ``ModelNotLoadable``, with the text of the model's own traceback where its code failed.
    """
    model = Model.from_mlmodel(folder, mlmodel)
    entry = model.pyfunc
    if (model.metadata or {}).get("mlflow.model.isExternal") is True:
        raise ModelNotLoadable(f"the model in {folder} is external: its files lie elsewhere")
    if not entry.get("loader_module"):
        raise ModelNotLoadable(f"the MLmodel file in {folder} names no loader_module")
    config = merged_config(entry.get("config"), model_config)
    model = dataclasses.replace(model, flavors={**model.flavors, "python_function": {**entry, "config": config}})
    flavor = flavor_for(entry["loader_module"])
    try:
        _check_python(model, flavor, allow_python_mismatch)
        _add_code(model)
        predictor = flavor.load(model, config)
    except ModelportError:
        raise
    except ModuleNotFoundError as error:
        raise ModelNotLoadable(
            f"the model needs the module {error.name}, which is not in its environment",
            hint="add the package that brings it to the model's requirements",
            traceback=traceback.format_exc(),
        ) from error
    except Exception as error:
        raise ModelNotLoadable(
            f"the model cannot be loaded: {type(error).__name__}: {error}", traceback=traceback.format_exc()
        ) from error
    return _with_example_type(PyFuncModel(model, predictor))


def merged_config(saved: Optional[Dict[str, Any]], given: ModelConfig) -> Dict[str, Any]:
    """The saved configuration, overridden by MLFLOW_PYFUNC_INFERENCE_CONFIG and then by ``given``.

    Only saved keys can be overridden: an unknown one would be read by nobody.
    """
    overrides: Dict[str, Any] = {}
    environment = os.environ.get("MLFLOW_PYFUNC_INFERENCE_CONFIG")
    if environment:
        try:
            overrides.update(json.loads(environment))
        except ValueError as error:
            raise InvalidInput(f"MLFLOW_PYFUNC_INFERENCE_CONFIG is no JSON object: {error}") from error
    if given:
        overrides.update(given if isinstance(given, dict) else read_yaml(given))
    saved = saved or {}
    ignored = sorted(set(overrides) - set(saved))
    if ignored:
        log.warning(
            "model configuration ignored, for only keys saved with the model can be overridden: %s (saved: %s)",
            ", ".join(ignored),
            ", ".join(sorted(saved)) or "none",
        )
    return {**saved, **{key: value for key, value in overrides.items() if key in saved}}


def _check_python(model: Model, flavor: Flavor, allow_mismatch: bool) -> None:
    """Refuse a pickle with code of another minor version, which can crash this interpreter; warn of any other difference."""
    written_by = model.pyfunc.get("python_version")
    running = "{}.{}".format(*sys.version_info)
    saved_by = minor_version(written_by)
    if written_by is None or saved_by == running:
        return
    log.warning("the model was saved by Python %s and runs on %s", written_by, running)
    if not allow_mismatch and brings_foreign_code(model, flavor, running):
        raise ModelNotLoadable(
            f"this model was pickled by Python {written_by} together with its code, which can crash Python {running}",
            code="PYTHON_VERSION_MISMATCH",
            hint=f"Run it on Python {saved_by} (--python names the interpreter), or take the risk: "
            "--allow-python-mismatch, from Python allow_python_mismatch=True.",
        )


def _add_code(model: Model) -> None:
    """Put the model's own code first on the path, for good: its modules may be imported as late as in predict."""
    code = model.pyfunc.get("code")
    if code and model.file(code) not in sys.path:
        sys.path.insert(0, model.file(code))
        importlib.invalidate_caches()


def _with_example_type(model: PyFuncModel) -> PyFuncModel:
    """A model hinted "as the example is" gets lists, series or dictionaries again instead of the enforced frame."""
    if not model.metadata.other.get("type_hint_from_example"):
        return model
    example = model.input_example
    predict: Callable[[Any, Any], Any] = model.predictor.predict
    if example is not None:
        predictor = dataclasses.replace(
            model.predictor, predict=lambda data, params: predict(to_example_type(data, example), params)
        )
        return PyFuncModel(model.metadata, predictor)
    return model


def single_input(data: Any) -> Any:
    """One input as JSON would hold it: a frame of one row as text, or as a dictionary."""
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        data = data.iloc[:, 0].tolist() if list(data.columns) == [0] else data.to_dict(orient="records")
    data = _without_arrays(data)
    if isinstance(data, list):
        if len(data) != 1:
            raise InvalidInput(f"predict_stream takes a single input, not {len(data)}")
        return data[0]
    return data


def _without_arrays(data: Any) -> Any:
    if hasattr(data, "tolist"):
        return data.tolist()
    if isinstance(data, list):
        return [_without_arrays(item) for item in data]
    if isinstance(data, dict):
        return {key: _without_arrays(value) for key, value in data.items()}
    return data
