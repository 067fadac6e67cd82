"""The ``signature`` of an ``MLmodel`` file, of any age, as ``Signature``; and its parts back to that JSON."""

import json
from typing import Any, Dict, List, Optional, Tuple

from modelport_runtime.data_types import InvalidSchema, shown
from modelport_runtime.enforcement.params import checked
from modelport_runtime.errors import ModelNotLoadable, SchemaMismatch
from modelport_runtime.schema import ParamSchema, Schema, Signature, spec_entries
from modelport_runtime.specs import ParamSpec


def read_signature(data: Any, is_from_type_hint: bool = False) -> Optional[Signature]:
    """The signature that an ``MLmodel`` file holds, or None if it says nothing.

    ``data`` is the file's ``signature`` map; its values are JSON texts, lists already parsed, or null.
    Raises ``ModelNotLoadable`` naming the spec that cannot be read.
    """
    if not data:
        return None
    if not isinstance(data, dict):
        raise ModelNotLoadable(f"The model's signature must be a map, found {type(data).__name__}.")
    inputs, outputs = (_read_schema(data.get(part), part) for part in ("inputs", "outputs"))
    params = _read_params(data.get("params"))
    if inputs is None and outputs is None and params is None:
        return None
    return Signature(inputs=inputs, outputs=outputs, params=params, is_from_type_hint=is_from_type_hint)


def schema_as_json(schema: Schema) -> List[Dict[str, Any]]:
    """A schema as plain JSON values, in the keys and order in which MLflow 3 writes it."""
    return schema.to_dict()


def params_as_json(params: Tuple[ParamSpec, ...]) -> List[Dict[str, Any]]:
    """The params of a signature as plain JSON values, in the keys and order in which MLflow 3 writes them."""
    return [spec.to_dict() for spec in params]


def _read_schema(data: Any, part: str) -> Optional[Schema]:
    if data is None or data == "":
        return None
    try:
        return Schema.from_dict(_parsed(data, part))
    except InvalidSchema as problem:
        raise ModelNotLoadable(f"The model's signature: {part}: {problem.message}.") from None


def _read_params(data: Any) -> Optional[ParamSchema]:
    if data is None or data == "":
        return None
    try:
        return ParamSchema([_read_param(entry) for entry in spec_entries(_parsed(data, "params"))])
    except InvalidSchema as problem:
        raise ModelNotLoadable(f"The model's signature: params: {problem.message}.") from None


def _parsed(data: Any, part: str) -> Any:
    if not isinstance(data, str):
        return data
    try:
        return json.loads(data)
    except ValueError as error:
        raise ModelNotLoadable(f"The model's signature: {part} is not JSON: {error}.") from None


def _read_param(entry: Dict[str, Any]) -> ParamSpec:
    """A parameter with its default as ``enforce_params`` would hand it to the model."""
    try:
        spec = ParamSpec.from_json_dict(**entry)
        default = checked(entry["default"], spec)
    except InvalidSchema as problem:
        raise InvalidSchema(f"a spec cannot be read: {problem.message}, in {shown(entry)}") from None
    except SchemaMismatch as mismatch:
        reason = f"the default does not fit: {mismatch.message}"
        raise InvalidSchema(f"a spec cannot be read: {reason}, in {shown(entry)}") from None
    return ParamSpec(spec.name, spec.type, default, spec.shape)
