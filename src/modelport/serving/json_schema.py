"""The types of a signature as JSON Schema 2020-12: what a request may hold, and what an answer looks like.

What is described is what fits by its type; MLflow's scoring server takes more than that (texts of numbers, say), and so do
we. Answers are described more loosely: a signature says what a model's author saw, and nobody holds predictions against it.
No schema here is empty: what may be anything says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelport.model.example_request import default_as_json, is_unified
from modelport_runtime.data_types import AnyType, Array, DataType, Map, Object, Scalar
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": "string"}
_TRUTH: JsonSchema = {"type": "boolean"}
_NUMBER: JsonSchema = {"type": "number"}
_MOMENT: JsonSchema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^(16(79|[89]\d)|1[789]\d\d|2[01]\d\d|22[0-5]\d|2260)-",
    "description": "ISO 8601, from 1679 to 2260; without a zone it is UTC",
}
_BASE64: JsonSchema = {
    "type": "string",
    "contentEncoding": "base64",
    "pattern": r"^(?:[A-Za-z0-9+/]{4}\n?)*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n?$",
}
_FLOAT_LIMIT = 3.4028234663852886e38
_LAST_NANOSECOND = 9_223_372_036_000_000_000
"""Of what a datetime64[ns] can hold, in whole milliseconds of a whole second; the first one is as far from 1970."""


def _integer(bits: int, signed: bool = True) -> JsonSchema:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return {"type": "integer", "minimum": low, "maximum": high}


_SCALARS: dict[str, JsonSchema] = {
    "boolean": _TRUTH,
    "integer": {**_integer(32), "format": "int32"},
    "long": {**_integer(64), "format": "int64"},
    "float": {"type": "number", "format": "float", "minimum": -_FLOAT_LIMIT, "maximum": _FLOAT_LIMIT},
    "double": {"type": "number", "format": "double"},
    "string": _TEXT,
    "binary": _BASE64,
    "datetime": _MOMENT,
}
_ANSWERED_SCALARS: dict[str, JsonSchema] = {
    **_SCALARS,
    # A regression on whole numbers is often saved with those numbers as its output.
    "integer": {"type": "number", "description": "declared as integer"},
    "long": {"type": "number", "description": "declared as long"},
    "float": _NUMBER,
    "double": _NUMBER,
    "binary": {"type": "string", "contentEncoding": "base64"},
    "datetime": {"type": "string", "description": "ISO 8601, or NaT where it is missing"},
}


def any_value(description: str = "Any JSON value.") -> JsonSchema:
    """The schema of what is not typed, spelled out."""
    kinds = ("object", "array", "string", "number", "boolean", "null")
    return {"anyOf": [{"type": kind} for kind in kinds], "description": description}


def or_null(schema: JsonSchema) -> JsonSchema:
    """The same, or null."""
    if "anyOf" in schema:
        if {"type": "null"} in schema["anyOf"]:
            return schema
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return schema if "null" in kinds else {**schema, "type": [*kinds, "null"]}


def any_of(schemas: Iterable[JsonSchema]) -> JsonSchema:
    """One of these; the schema itself where they are all the same."""
    found: list[JsonSchema] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found[0] if len(found) == 1 else {"anyOf": found}


# -- single values of a request


def of_cell(spec: ColSpec, strict: bool = False) -> JsonSchema:
    """What one row may hold in a column. Optional: also null. Missing floats and doubles are null as well.

    ``strict``: where the strict policy reads it, which has another unit for integers as datetimes.
    """
    if isinstance(spec.type, Scalar) and spec.type.name == "datetime":
        limit, unit = (_LAST_NANOSECOND // 10**6, "milliseconds") if strict else (_LAST_NANOSECOND, "nanoseconds")
        moment = {"type": "integer", "minimum": -limit, "maximum": limit, "description": f"{unit} since 1970"}
        schema: JsonSchema = {"anyOf": [_MOMENT, moment]}
    else:
        schema = of_type(spec.type)
    is_float = isinstance(spec.type, Scalar) and spec.type.name in ("float", "double")
    return schema if spec.required and not is_float else or_null(schema)


def of_type(kind: DataType) -> JsonSchema:
    """A value of this type inside a list or an object of a request."""
    if isinstance(kind, Scalar):
        return _SCALARS[kind.name]
    if isinstance(kind, Array):
        schema: JsonSchema = {"type": "array", "items": of_type(kind.items)}
        return {**schema, "description": "a Spark vector"} if kind.spark_vector else schema
    if isinstance(kind, Object):
        members = {p.name: of_type(p.type) if p.required else or_null(of_type(p.type)) for p in kind.properties}
        return _object(members, [p.name for p in kind.properties if p.required])
    if isinstance(kind, Map):
        return {"type": "object", "additionalProperties": of_type(kind.values)}
    return any_value()


def _object(members: Mapping[str, JsonSchema], required: Sequence[str]) -> JsonSchema:
    schema: JsonSchema = {"type": "object", "properties": dict(members), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def of_param(spec: ParamSpec) -> JsonSchema:
    """An inference parameter, with its default. Null fits every single value."""
    single = or_null(of_type(spec.type)) if isinstance(spec.type, Scalar) else of_type(spec.type)
    schema = single if spec.shape is None else {"type": "array", "items": single}
    return {**schema, "default": default_as_json(spec)}


def of_params(specs: Sequence[ParamSpec]) -> JsonSchema:
    """The object of all inference parameters. (Unknown ones would be ignored, which nobody wants.)"""
    return _object({spec.name: of_param(spec) for spec in specs}, ())


# -- tensors


def of_tensor(spec: TensorSpec) -> JsonSchema:
    """Nested lists of the tensor's shape; a dimension that is free has at least one item."""
    schema = _leaf(spec.dtype)
    for size in reversed(spec.shape):
        limits = {"minItems": 1} if size < 0 else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **limits}
    return schema


def _leaf(dtype: str) -> JsonSchema:
    name, bits = dtype.rstrip("0123456789"), dtype[len(dtype.rstrip("0123456789")) :]
    if name in ("int", "uint") and bits:
        return _integer(int(bits), signed=name == "int")
    if dtype in ("float16", "float32"):
        limit = 65504 if bits == "16" else _FLOAT_LIMIT
        return {"type": ["number", "null"], "minimum": -limit, "maximum": limit}
    if name in ("float", "complex"):
        return or_null(_NUMBER)
    if name == "bool":
        return _TRUTH
    if name == "str":
        return _TEXT
    if name == "bytes":
        return {"type": "string", "pattern": r"^[\x00-\x7F]*$", "description": "ASCII text, taken as bytes"}
    if dtype.startswith("datetime64"):
        return _MOMENT
    if dtype.startswith("timedelta64"):
        return {**_integer(64), "description": "in units of the type, nanoseconds where it has none"}
    return {"type": ["string", "number", "boolean", "null"], "description": "an object to numpy"}


def of_answered_tensor(spec: TensorSpec, shape: Sequence[int] | None = None) -> JsonSchema:
    """Nested lists of the tensor's rank (or that of ``shape``); what is not a number is null."""
    schema = or_null(_answered_leaf(spec.dtype))
    for _ in spec.shape if shape is None else shape:
        schema = {"type": "array", "items": schema}
    return {**schema, "description": f"{spec.dtype} of shape ({', '.join(map(str, spec.shape))})"}


def _answered_leaf(dtype: str) -> JsonSchema:
    if dtype.startswith("complex"):
        return {"type": "object", "properties": {"real": _NUMBER, "imag": _NUMBER}}
    if dtype.startswith(("int", "uint", "float", "timedelta64")):
        return _NUMBER
    if dtype == "bool":
        return _TRUTH
    if dtype == "bytes":
        return _ANSWERED_SCALARS["binary"]
    if dtype.startswith("datetime64"):
        return _ANSWERED_SCALARS["datetime"]
    return _TEXT if dtype == "str" else any_value()


# -- the data of a request, by form


def is_nested(schema: Schema) -> bool:
    """Whether a column holds arrays, objects or maps, so that an object of columns would be read as one row."""
    return any(isinstance(spec.type, (Array, Object, Map)) for spec in schema.columns)


def forms(schema: Schema | None, from_type_hint: bool = False) -> dict[str, JsonSchema]:
    """What may stand under each of MLflow's data keys, for those keys that fit the input schema."""
    if schema is None:
        return _untyped_forms()
    if from_type_hint:
        return {"inputs": _rows(of_type(schema.columns[0].type))} if schema.columns else {"inputs": any_value()}
    if schema.is_tensor:
        return _tensor_forms(schema)
    found = {"dataframe_split": split(schema)}
    if not schema.has_names:
        row = _row(schema)
        listed = of_cell(schema.columns[0]) if len(schema.specs) == 1 else row
        return {**found, "dataframe_records": _rows(row), "inputs": _rows(listed), "instances": _rows(listed)}
    if not all(isinstance(name, str) for name in schema.names):
        return found  # JSON objects have no integers for names
    records = _rows(_record(schema))
    if is_nested(schema):
        return {**found, "dataframe_records": records, "inputs": records, "instances": records}
    ways = [columns(schema), records]
    if len(schema.specs) == 1:
        ways.append(_rows(of_cell(schema.columns[0])))
    return {**found, "dataframe_records": records, "inputs": any_of(ways), "instances": records}


def split(schema: Schema | None, strict: bool = False) -> JsonSchema:
    """The columns, then the rows as lists. Without a schema: any table."""
    index = {
        "type": "array",
        "items": {"type": ["integer", "string"]},
        "description": "one label for each row; not needed",
    }
    members: JsonSchema
    labels: JsonSchema
    if schema is None:
        labels = {"type": "array", "items": {"type": ["string", "integer"]}}
        rows = {"type": "array", "items": {"type": "array", "items": any_value("A cell.")}}
        members = {"columns": labels, "index": index, "data": rows}
        return _object(members, ["data"])
    members = {"index": index, "data": _rows(_row(schema, strict))}
    if not schema.has_names:
        return _object(members, ["data"])
    labels = {
        "type": "array",
        "items": any_of({"type": "string" if isinstance(name, str) else "integer"} for name in schema.names),
        "const": list(schema.names),
        "description": "Other orders are understood as well, when the cells follow them.",
    }
    return _object({"columns": labels, **members}, ["columns", "data"])


def columns(schema: Schema) -> JsonSchema:
    """An object of columns, each a list; all of one length."""
    members = {str(spec.name): _rows(of_cell(spec)) for spec in schema.columns}
    required = [str(spec.name) for spec in schema.columns if spec.required]
    return {**_object(members, required), "description": "All columns have one length."}


def named_tensors(schema: Schema) -> JsonSchema:
    """An object of tensors."""
    return _object(
        {str(spec.name): of_tensor(spec) for spec in schema.tensors}, [str(spec.name) for spec in schema.tensors]
    )


def rows(schema: Schema, strict: bool = False) -> JsonSchema:
    """A list of rows, each a list of its cells in the order of the columns; of one nested column, a list of its cells."""
    is_cell = not schema.has_names and len(schema.specs) == 1 and not isinstance(schema.columns[0].type, Scalar)
    return _rows(of_cell(schema.columns[0], strict) if is_cell else _row(schema, strict))


def unified(schema: Schema | None, params: Sequence[ParamSpec]) -> JsonSchema | None:
    """The body of a chat, completion or embedding request, whose members are columns and params; None where a body with
    ``messages``, ``prompt`` or ``input`` would not fit."""
    if schema is None or not is_unified(schema):
        return None
    members = {
        str(spec.name): of_type(spec.type) if spec.required else or_null(of_type(spec.type)) for spec in schema.columns
    }
    members.update({spec.name: of_param(spec) for spec in params})
    return _object(members, [str(spec.name) for spec in schema.columns if spec.required])


def _rows(row: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": row, "minItems": 1}


def _row(schema: Schema, strict: bool = False) -> JsonSchema:
    count = len(schema.specs)
    cells = [of_cell(spec, strict) for spec in schema.columns]
    return {"type": "array", "prefixItems": cells, "minItems": count, "maxItems": count}


def _record(schema: Schema) -> JsonSchema:
    required = [str(spec.name) for spec in schema.columns if spec.required]
    return _object({str(spec.name): of_cell(spec) for spec in schema.columns}, required)


def _tensor_forms(schema: Schema) -> dict[str, JsonSchema]:
    first = schema.tensors[0]
    if not schema.has_names:
        return {"inputs": of_tensor(first), "instances": of_tensor(first)}
    if not all(isinstance(spec.name, str) for spec in schema.tensors):
        return {"inputs": of_tensor(first)}
    whole = named_tensors(schema)
    found = {"inputs": any_of([whole, of_tensor(first)]) if len(schema.specs) == 1 else whole}
    if all(spec.shape[:1] == (-1,) for spec in schema.tensors):
        members = {
            str(spec.name): of_tensor(TensorSpec(spec.dtype, spec.shape[1:], spec.name)) for spec in schema.tensors
        }
        found["instances"] = _rows(_object(members, list(members)))
    return found


def _untyped_forms() -> dict[str, JsonSchema]:
    return {
        "dataframe_split": split(None),
        "dataframe_records": {"type": "array", "items": {"type": "object"}},
        "inputs": any_value("A value, a (nested) list, or an object of them: what the model takes."),
        "instances": any_value("A (nested) list, or a list of objects: what the model takes."),
    }


# -- answers


def of_predictions(schema: Schema | None) -> JsonSchema:
    """What a model answers whose output schema this is, in all forms that models with such a schema answer in."""
    if schema is None:
        return any_value("What the model answers; its signature does not say what that is.")
    if schema.is_tensor:
        return _answered_tensors(schema)
    values = [_answered(spec.type) for spec in schema.columns]
    single = any_of(values)
    either = {name: any_of([value, _list(value)]) for name, value in zip(_texts(schema), values, strict=True)}
    if schema.has_names:
        whole: JsonSchema = {"type": "object", "properties": either}
    else:
        whole = {"type": "object", "additionalProperties": any_of([single, _list(single)])}
    return any_of([_list(of_answered_row(schema)), whole, *([single] if len(values) == 1 else [])])


def of_answered_row(schema: Schema) -> JsonSchema:
    """A row of an answer with columns: an object of them, the value of the only one, or a list of all."""
    values = [_answered(spec.type) for spec in schema.columns]
    single = any_of(values)
    if schema.has_names:
        record: JsonSchema = {"type": "object", "properties": dict(zip(_texts(schema), values, strict=True))}
    else:
        record = {"type": "object", "additionalProperties": single}
    return any_of([record, single if len(values) == 1 else _list(single)])


def _texts(schema: Schema) -> list[str]:
    return list(map(str, schema.names))


def _list(items: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": items}


def _answered_tensors(schema: Schema) -> JsonSchema:
    if not schema.has_names:
        spec = schema.tensors[0]
        cell = or_null(_answered_leaf(spec.dtype))
        record: JsonSchema = {"type": "object", "additionalProperties": any_of([cell, _list(cell)])}
        return any_of([of_answered_tensor(spec), _list(record)])
    whole = {str(spec.name): of_answered_tensor(spec) for spec in schema.tensors}
    by_row = {str(spec.name): of_answered_tensor(spec, spec.shape[1:]) for spec in schema.tensors}
    return any_of([{"type": "object", "properties": whole}, _list({"type": "object", "properties": by_row})])


def _answered(kind: DataType) -> JsonSchema:
    """Any value may be missing, and so may members of objects."""
    if isinstance(kind, Scalar):
        return or_null(_ANSWERED_SCALARS[kind.name])
    if isinstance(kind, Array):
        return or_null(_list(_answered(kind.items)))
    if isinstance(kind, Object):
        return or_null({"type": "object", "properties": {p.name: _answered(p.type) for p in kind.properties}})
    if isinstance(kind, Map):
        return or_null({"type": "object", "additionalProperties": _answered(kind.values)})
    assert isinstance(kind, AnyType)
    return any_value()
