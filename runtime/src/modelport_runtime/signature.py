"""The ``signature`` of an ``MLmodel`` file, of any age, as ``Signature``; and schemas back to that JSON."""

import datetime
import json
import re
from typing import Any, Dict, List, Optional, Tuple, Union

from modelport_runtime.enforcement.params import checked
from modelport_runtime.enforcement.values import shorten
from modelport_runtime.errors import ModelNotLoadable, SchemaMismatch
from modelport_runtime.schema import (
    SCALAR_TYPES,
    AnyType,
    Array,
    ColSpec,
    DataType,
    Map,
    Object,
    ParamSpec,
    Property,
    Scalar,
    Schema,
    Signature,
    TensorSpec,
)

# What numpy calls its types; strings have no length in a signature. numpy itself may not be there to ask.
_TENSOR_TYPE = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64|96|128)|complex(64|128|192|256)|str|bytes|object|(datetime|timedelta)64(\[\w+\])?"
)


class _BadSpec(ValueError):
    """Why a spec cannot be read."""


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
    return [_tensor_as_json(spec) if isinstance(spec, TensorSpec) else _column_as_json(spec) for spec in schema.specs]


def params_as_json(params: Tuple[ParamSpec, ...]) -> List[Dict[str, Any]]:
    """The params of a signature as plain JSON values, in the keys and order in which MLflow 3 writes them."""
    return [
        {
            "name": spec.name,
            "default": _default_as_json(spec.default),
            "shape": None if spec.shape is None else list(spec.shape),
            **_type_as_json(spec.type),
        }
        for spec in params
    ]


def _entries(data: Any, part: str) -> List[Dict[str, Any]]:
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError as error:
            raise ModelNotLoadable(f"The model's signature: {part} is not JSON: {error}.") from None
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise ModelNotLoadable(f"The model's signature: {part} must be a list of specs, found {_shown(data)}.")
    return data


def _shown(data: Any) -> str:
    return shorten(json.dumps(data, default=str, ensure_ascii=False))


# -- columns and tensors


def _read_schema(data: Any, part: str) -> Optional[Schema]:
    if data is None or data == "":
        return None
    specs: List[Union[ColSpec, TensorSpec]] = []
    for entry in _entries(data, part):
        try:
            specs.append(_read_tensor(entry) if entry.get("type") == "tensor" else _read_column(entry))
        except _BadSpec as problem:
            raise ModelNotLoadable(
                f"The model's signature: {part} has a spec that cannot be read: {problem}, in {_shown(entry)}."
            ) from None
    problem_text = _schema_problem(specs)
    if problem_text is not None:
        raise ModelNotLoadable(f"The model's signature: {part} {problem_text}.")
    return Schema(tuple(specs))


def _schema_problem(specs: List[Union[ColSpec, TensorSpec]]) -> Optional[str]:
    if not specs:
        return "has no spec at all"
    names = [spec.name for spec in specs]
    unnamed = names.count(None)
    if unnamed not in (0, len(names)):
        return f"mixes named and unnamed specs: {_shown(names)}"
    tensors = sum(isinstance(spec, TensorSpec) for spec in specs)
    if tensors not in (0, len(specs)):
        return f"mixes columns and tensors: {_shown(names)}"
    if unnamed and tensors > 1:
        return f"has {tensors} tensors without names"
    if unnamed and not all(spec.required for spec in specs if isinstance(spec, ColSpec)):
        return "has an optional column without a name"
    return None


def _read_column(entry: Dict[str, Any]) -> ColSpec:
    name = entry.get("name")
    if name is not None and not isinstance(name, (str, int)):
        raise _BadSpec(f"a name must be a text or an integer, found {_shown(name)}")
    return ColSpec(type=_read_type(entry), name=name, required=_read_required(entry))


def _read_required(entry: Dict[str, Any]) -> bool:
    """MLflow up to 2.9 wrote ``optional`` instead of ``required``; neither one, or null, means required."""
    if entry.get("required") is not None:
        return bool(entry["required"])
    return not entry.get("optional")


def _read_type(entry: Dict[str, Any]) -> DataType:
    kind = entry.get("type")
    if kind in SCALAR_TYPES:
        return Scalar(kind)
    if kind == "array":
        return Array(_read_inner(entry, "items"))
    if kind == "map":
        return Map(_read_inner(entry, "values"))
    if kind == "object":
        return _read_object(entry)
    if kind == "sparkml_vector":
        return Array(Scalar("double"), spark_vector=True)
    if kind == "any":
        return AnyType()
    raise _BadSpec(f"type {_shown(kind)} is not known")


def _read_inner(entry: Dict[str, Any], key: str) -> DataType:
    inner = entry.get(key)
    if not isinstance(inner, dict):
        raise _BadSpec(f"'{key}' must be an object with a type, found {_shown(inner)}")
    return _read_type(inner)


def _read_object(entry: Dict[str, Any]) -> Object:
    properties = entry.get("properties")
    if not isinstance(properties, dict) or not properties or not all(isinstance(p, dict) for p in properties.values()):
        raise _BadSpec(f"'properties' must be an object of types, not empty, found {_shown(properties)}")
    return Object(
        tuple(Property(name, _read_type(inner), _read_required(inner)) for name, inner in sorted(properties.items()))
    )


def _read_tensor(entry: Dict[str, Any]) -> TensorSpec:
    info = entry.get("tensor-spec")
    if not isinstance(info, dict):
        raise _BadSpec(f"'tensor-spec' must be an object with dtype and shape, found {_shown(info)}")
    dtype, shape, name = info.get("dtype"), info.get("shape"), entry.get("name")
    if not isinstance(dtype, str) or not _TENSOR_TYPE.fullmatch(dtype):
        raise _BadSpec(f"dtype {_shown(dtype)} is not a numpy type (texts have no size: str, bytes)")
    if not isinstance(shape, (list, tuple)) or not all(size is None or isinstance(size, int) for size in shape):
        raise _BadSpec(f"'shape' must be a list of integers, found {_shown(shape)}")
    if name is not None and not isinstance(name, (str, int)):
        raise _BadSpec(f"a name must be a text or an integer, found {_shown(name)}")
    return TensorSpec(dtype=dtype, shape=tuple(-1 if size is None else size for size in shape), name=name)


# -- params


def _read_params(data: Any) -> Optional[Tuple[ParamSpec, ...]]:
    if data is None or data == "":
        return None
    specs: List[ParamSpec] = []
    for entry in _entries(data, "params"):
        try:
            specs.append(_read_param(entry))
        except _BadSpec as problem:
            raise ModelNotLoadable(
                f"The model's signature: params has a spec that cannot be read: {problem}, in {_shown(entry)}."
            ) from None
    names = [spec.name for spec in specs]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise ModelNotLoadable(f"The model's signature: params names a parameter twice: {_shown(duplicates)}.")
    return tuple(specs)


def _read_param(entry: Dict[str, Any]) -> ParamSpec:
    if entry.get("name") is None or "default" not in entry:
        raise _BadSpec("name, type and default are all needed")
    # MLflow 2.6 wrote "dtype".
    kind = _read_type({**entry, "type": entry.get("type") or entry.get("dtype")})
    if not isinstance(kind, (Scalar, Object)) or kind == Scalar("binary"):
        raise _BadSpec(f"a parameter cannot be of type {kind}")
    shape = entry.get("shape")
    if shape not in (None, [-1]):
        raise _BadSpec(f"the shape of a parameter is null or [-1], found {_shown(shape)}")
    spec = ParamSpec(str(entry["name"]), kind, None, None if shape is None else (-1,))
    try:
        default = checked(entry["default"], spec)
    except SchemaMismatch as mismatch:
        raise _BadSpec(f"the default does not fit: {mismatch.message}") from None
    return ParamSpec(spec.name, spec.type, default, spec.shape)


# -- back to JSON


def _column_as_json(spec: ColSpec) -> Dict[str, Any]:
    entry = _type_as_json(spec.type)
    if spec.name is not None:
        entry["name"] = spec.name
    entry["required"] = spec.required
    return entry


def _tensor_as_json(spec: TensorSpec) -> Dict[str, Any]:
    entry: Dict[str, Any] = {} if spec.name is None else {"name": spec.name}
    entry["type"] = "tensor"
    entry["tensor-spec"] = {"dtype": spec.dtype, "shape": list(spec.shape)}
    return entry


def _type_as_json(kind: DataType) -> Dict[str, Any]:
    if isinstance(kind, Scalar):
        return {"type": kind.name}
    if isinstance(kind, Array):
        if kind.spark_vector:
            return {"type": "sparkml_vector"}
        return {"type": "array", "items": _type_as_json(kind.items)}
    if isinstance(kind, Map):
        return {"type": "map", "values": _type_as_json(kind.values)}
    if isinstance(kind, Object):
        properties = {p.name: {**_type_as_json(p.type), "required": p.required} for p in kind.properties}
        return {"type": "object", "properties": properties}
    return {"type": "any"}


def _default_as_json(default: Any) -> Any:
    if isinstance(default, list):
        return [_default_as_json(value) for value in default]
    return default.isoformat() if isinstance(default, datetime.date) else default
