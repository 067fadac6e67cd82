"""``Model``: what the ``MLmodel`` file of a model directory says, as MLflow 1.x to 3.x wrote it. Loads no model."""

import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.signature import read_signature
from modelport_runtime.specs import ParamSpec, TensorSpec

PYFUNC = "python_function"
SERVING_EXAMPLE = "serving_input_example.json"
_OWN_FIELDS = (
    "metadata",
    "model_uuid",
    "model_id",
    "run_id",
    "mlflow_version",
    "utc_time_created",
    "saved_input_example_info",
)


@dataclass(frozen=True)
class Model:
    """A model directory's description.

    ``other`` holds the top-level keys that have no field here; they also read as attributes (``model.artifact_path``).
    """

    path: str
    flavors: Dict[str, Dict[str, Any]]
    signature: Optional[Signature] = None
    metadata: Optional[Dict[str, Any]] = None
    model_uuid: Optional[str] = None
    model_id: Optional[str] = None
    run_id: Optional[str] = None
    mlflow_version: Optional[str] = None
    utc_time_created: Optional[str] = None
    saved_input_example_info: Optional[Dict[str, Any]] = None
    other: Dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_mlmodel(cls, folder: str, data: Dict[str, Any]) -> "Model":
        """The model in ``folder``, whose MLmodel file was parsed to ``data``.

        Raises ``ModelNotLoadable`` when the file has not the shape of an MLmodel file.
        """
        flavors = data.get("flavors")
        if not isinstance(flavors, dict) or not all(isinstance(entry, dict) for entry in flavors.values()):
            raise ModelNotLoadable(f"the MLmodel file in {folder} has no map of flavors, so it describes no model")
        other = {key: value for key, value in data.items() if key not in _OWN_FIELDS and key != "flavors"}
        stored = other.get("signature")
        signature = None
        if isinstance(stored, dict):
            del other["signature"]
            signature = read_signature(stored, is_from_type_hint=bool(other.get("is_signature_from_type_hint")))
        own = {name: data.get(name) for name in _OWN_FIELDS}
        return cls(path=os.path.abspath(folder), flavors=flavors, signature=signature, other=other, **own)

    def __getattr__(self, name: str) -> Any:
        # Only reached for what is no field. `other` itself is missing while an instance is being copied or unpickled.
        if name != "other" and name in self.other:
            return self.other[name]
        raise AttributeError(f"the MLmodel file says nothing about '{name}'")

    @property
    def pyfunc(self) -> Dict[str, Any]:
        """The entry that says how to load and call the model. Raises ``ModelNotLoadable`` when there is none."""
        entry = self.flavors.get(PYFUNC)
        if entry is None:
            raise ModelNotLoadable(
                f"the model in {self.path} has no {PYFUNC} flavor, so Python cannot call it",
                hint="its flavors: " + (", ".join(sorted(self.flavors)) or "none"),
            )
        return entry

    def file(self, *parts: str) -> str:
        """The absolute path of a file of the model."""
        return os.path.join(self.path, *parts)

    def get_input_schema(self) -> Optional[Schema]:
        return self.signature.inputs if self.signature else None

    def get_output_schema(self) -> Optional[Schema]:
        return self.signature.outputs if self.signature else None

    def get_params_schema(self) -> Optional[Tuple[ParamSpec, ...]]:
        return self.signature.params if self.signature else None

    def load_input_example(self) -> Any:
        """The input example in the type it was given (frame, array, sparse matrix, JSON value); None without one."""
        info = self.saved_input_example_info
        if not info:
            return None
        return _typed_example(_example_data(self._example(info), info), info, self.get_input_schema())

    def serving_example(self) -> Optional[bytes]:
        """The example as the JSON body of a request; None without one. Models before 2.16 have no such file."""
        info = self.saved_input_example_info
        if not info:
            return None
        path = self.file(info.get("serving_input_path") or SERVING_EXAMPLE)
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
        stored = self._example(info)
        data = _example_data(stored, info)
        if info.get("type") == "sparse_matrix_csr" or info.get("type") == "sparse_matrix_csc":
            data = _sparse(data, info["type"]).toarray().tolist()
        body = {"dataframe_split" if info.get("type") == "dataframe" else "inputs": data}
        if _has_params(stored, info):
            body["params"] = stored["params"]
        return json.dumps(body).encode()

    def _example(self, info: Dict[str, Any]) -> Any:
        path = self.file(info.get("artifact_path") or "input_example.json")
        try:
            with open(path, "rb") as file:
                return json.loads(file.read())
        except (OSError, ValueError) as error:
            raise ModelNotLoadable(f"the input example in {path} cannot be read: {error}") from error


def _has_params(stored: Any, info: Dict[str, Any]) -> bool:
    return bool(info.get("params")) and isinstance(stored, dict) and "inputs" in stored and "params" in stored


def _example_data(stored: Any, info: Dict[str, Any]) -> Any:
    if _has_params(stored, info):
        return stored["inputs"]
    if info.get("format") == "tf-serving" and isinstance(stored, dict):  # arrays, up to MLflow 2.11
        return stored.get("inputs", stored.get("instances", stored))
    return stored


def _typed_example(data: Any, info: Dict[str, Any], schema: Optional[Schema]) -> Any:
    kind = info.get("type")
    if kind == "dataframe":
        return _frame(data, schema)
    if kind == "ndarray":
        tensors = schema.tensors if schema else ()
        if isinstance(data, dict):
            dtypes = {spec.name: spec for spec in tensors}
            return {name: _array(value, dtypes.get(name)) for name, value in data.items()}
        return _array(data, tensors[0] if tensors else None)
    if kind in ("sparse_matrix_csr", "sparse_matrix_csc"):
        return _sparse(data, str(kind))
    return data


def _frame(data: Dict[str, Any], schema: Optional[Schema]) -> Any:
    import pandas as pd

    from modelport_runtime.payload.casting import cast_frame
    from modelport_runtime.policy import LENIENT

    frame = pd.DataFrame(**data)
    return cast_frame(frame, schema, LENIENT) if schema else frame


def _array(value: Any, spec: Optional[TensorSpec]) -> Any:
    import numpy as np

    return np.array(value, dtype=spec.dtype if spec else None)


def _sparse(data: Dict[str, Any], kind: str) -> Any:
    from scipy import sparse

    matrix = sparse.csr_matrix if kind.endswith("csr") else sparse.csc_matrix
    return matrix((data["data"], data["indices"], data["indptr"]), shape=tuple(data["shape"]))
