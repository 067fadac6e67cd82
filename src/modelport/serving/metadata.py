"""What the Open Inference Protocol tells of the server and of the model: its columns and tensors, as named tensors."""

from typing import Any

import modelport_runtime
from modelport.serving.open_inference import VERSION
from modelport.serving.served_model import ServedModel
from modelport_runtime.data_types import Array, DataType, Scalar
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

EXTENSIONS = ("binary_tensor_data",)
_SCALAR_DATATYPES = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
    "datetime": "BYTES",
}
_TENSOR_DATATYPES = {
    "bool": "BOOL",
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}


def server_metadata() -> dict[str, Any]:
    return {"name": "modelport", "version": modelport_runtime.__version__, "extensions": list(EXTENSIONS)}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """What the model takes and gives, as tensors: one for each column of its signature; none where it has no signature."""
    signature = model.signature
    inputs = signature.inputs if signature is not None else None
    outputs = signature.outputs if signature is not None else None
    return {
        "name": model.name,
        "versions": [VERSION],
        "platform": f"mlflow_{_flavor(model)}",
        "inputs": _tensors(inputs, "input" if inputs is not None and inputs.is_tensor else None),
        "outputs": _tensors(outputs, "predictions"),
    }


def _flavor(model: ServedModel) -> str:
    flavors: dict[str, Any] = model.mlmodel.get("flavors") or {}
    return next((name for name in flavors if name != "python_function"), "python_function")


def _tensors(schema: Schema | None, only: str | None) -> list[dict[str, Any]]:
    """``only``: the name of a tensor that has none and no neighbours; others without a name go by their positions."""
    if schema is None:
        return []
    names = [str(name) for name in schema.names]
    if only is not None and len(names) == 1 and not schema.has_names:
        names = [only]
    return [_tensor(name, spec) for name, spec in zip(names, schema.specs, strict=True)]


def _tensor(name: str, spec: ColSpec | TensorSpec) -> dict[str, Any]:
    if isinstance(spec, TensorSpec):
        datatype = _TENSOR_DATATYPES.get(spec.dtype, "BYTES")
        return {"name": name, "datatype": datatype, "shape": list(spec.shape)}
    datatype, dimensions = _cell(spec.type)
    return {"name": name, "datatype": datatype, "shape": [-1] * (1 + dimensions)}


def _cell(kind: DataType) -> tuple[str, int]:
    """The datatype of a column's values, and how many dimensions one of them has; objects and the like are JSON text."""
    if isinstance(kind, Scalar):
        return _SCALAR_DATATYPES[kind.name], 0
    if isinstance(kind, Array):
        inner: DataType = kind
        dimensions = 0
        while isinstance(inner, Array):
            inner, dimensions = inner.items, dimensions + 1
        if isinstance(inner, Scalar):
            return _SCALAR_DATATYPES[inner.name], dimensions
    return "BYTES", 0
