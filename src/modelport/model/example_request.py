"""A request to ``/invocations`` that fits a signature, made up from the types it declares."""

import base64
import datetime
from typing import Any

from modelport_runtime.data_types import Array, DataType, Map, Object, Scalar
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.specs import ParamSpec, TensorSpec

EXAMPLES: dict[str, Any] = {
    "boolean": True,
    "integer": 1,
    "long": 1,
    "float": 0.5,
    "double": 0.5,
    "string": "text",
    "binary": base64.b64encode(b"bytes").decode(),
    "datetime": "2024-05-01T12:00:00Z",
}
"""A value of each scalar type, as JSON has it."""


def example_of(signature: Signature | None) -> dict[str, Any] | None:
    """A request to `/invocations` that fits the signature, with the defaults of its parameters; None where there are no
    inputs to be known."""
    if signature is None or signature.inputs is None:
        return None
    schema, params = signature.inputs, signature.params or ()
    defaults = {spec.name: default_as_json(spec) for spec in params}
    if not signature.is_from_type_hint and is_unified(schema):
        required = {str(spec.name): _example_value(spec.type) for spec in schema.columns if spec.required}
        return required or {str(spec.name): _example_value(spec.type) for spec in schema.columns}
    if signature.is_from_type_hint:
        example: dict[str, Any] = {"inputs": [_example_value(spec.type) for spec in schema.columns]}
    elif schema.is_tensor:
        tensors = [(spec.name, _example_tensor(spec)) for spec in schema.tensors]
        example = {"inputs": {str(name): tensor for name, tensor in tensors} if schema.has_names else tensors[0][1]}
    else:
        row = [_example_value(spec.type) for spec in schema.columns]
        columns: dict[str, Any] = {"columns": list(schema.names)} if schema.has_names else {}
        example = {"dataframe_split": {**columns, "data": [row]}}
    return {**example, "params": defaults} if defaults else example


def is_unified(schema: Schema | None) -> bool:
    """Whether a body with ``messages``, ``prompt`` or ``input``, as chats and completions have, fits the columns."""
    if schema is None or schema.is_tensor or not schema.has_names:
        return False
    return bool({"messages", "prompt", "input"} & set(schema.names))


def default_as_json(spec: ParamSpec) -> Any:
    """A parameter's default as a client would write it."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value.isoformat() if isinstance(value, datetime.date) else value

    return plain(spec.default)


def item_of(spec: TensorSpec) -> Any:
    """One element of a tensor."""
    value: Any = "text"
    for prefix, example in {"bool": True, "int": 1, "uint": 1, "float": 0.5, "complex": 0.5, "timedelta": 1}.items():
        if spec.dtype.startswith(prefix):
            value = example
    return EXAMPLES["datetime"] if spec.dtype.startswith("datetime") else value


def _example_value(kind: DataType) -> Any:
    if isinstance(kind, Scalar):
        return EXAMPLES[kind.name]
    if isinstance(kind, Array):
        return [_example_value(kind.items)]
    if isinstance(kind, Object):
        return {p.name: _example_value(p.type) for p in kind.properties}
    return {"key": _example_value(kind.values)} if isinstance(kind, Map) else "anything"


def _example_tensor(spec: TensorSpec) -> Any:
    value = item_of(spec)
    for size in reversed(spec.shape):
        value = [value] * max(size, 1 if size < 0 else 0)
    return value
