"""Whether the first line of a CSV body is its header or already a row, as far as the signature makes that plain."""

import csv
import io
import re
from typing import List, Optional

from modelport_runtime.data_types import AnyType, Array, DataType, Map, Object, Scalar
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import jsonio, scalars
from modelport_runtime.schema import Schema
from modelport_runtime.specs import TensorSpec

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MISSING = frozenset(["", "na", "n/a", "nan", "null", "none"])
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf")
_TRUTH = re.compile(r"true|false|0|1")
_TENSOR_TYPES = {"b": "boolean", "i": "long", "u": "long", "f": "double", "d": "datetime"}
"""The scalar type that reads like a tensor's, by the first letter of its dtype; any other is text."""


def first_fields(body: bytes) -> List[str]:
    """The fields of the first line that is not blank; none where there is no such line, or no reading it."""
    start = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
    while start < len(body):
        end = body.find(b"\n", start)
        line = body[start : len(body) if end < 0 else end].partition(b"\r")[0]
        if line.strip():
            return _quoted_fields(body, start) if b'"' in line else line.decode("utf-8", "replace").split(",")
        start += len(line) + 1
    return []


def _quoted_fields(body: bytes, start: int) -> List[str]:
    stream = io.BytesIO(body)
    stream.seek(start)
    try:
        return next(csv.reader(io.TextIOWrapper(stream, "utf-8", "replace", newline="")))
    except csv.Error:
        return []


def is_row(fields: List[str], schema: Schema) -> bool:
    """Whether these fields are values of the declared types, and not all of them could as well be names.

    There must be as many fields as columns. A name that the signature has makes the line a header; so do the numbers from 0
    on, which are the names of columns without names.
    """
    types = _types(schema, len(fields))
    if len(types) != len(fields):
        return False
    if schema.has_names:
        if {field.strip() for field in fields} & {str(name) for name in schema.names}:
            return False
    elif fields == [str(position) for position in range(len(fields))]:
        return False
    found = [_is_value(field.strip(), kind) for field, kind in zip(fields, types)]
    return True in found and False not in found


def _types(schema: Schema, width: int) -> List[DataType]:
    """What each field of a row has to be; of another length than ``width`` where the signature takes no such row."""
    if not schema.is_tensor:
        return [spec.type for spec in schema.columns]
    if schema.has_names:
        return [_cell_type(spec, len(spec.shape) > 1) for spec in schema.tensors]
    spec = schema.tensors[0]
    if len(spec.shape) == 2 and spec.shape[1] in (-1, width):
        return [_cell_type(spec, False)] * width
    return [_cell_type(spec, len(spec.shape) > 1)]


def _cell_type(spec: TensorSpec, nested: bool) -> DataType:
    name = "datetime" if spec.dtype.startswith("datetime") else _TENSOR_TYPES.get(spec.dtype[0], "string")
    scalar = Scalar("string" if spec.dtype == "bytes" else name)
    return Array(scalar) if nested else scalar


def _is_value(text: str, kind: DataType) -> Optional[bool]:
    """Whether the text can only be a value of that type; None: it might also be a name."""
    if isinstance(kind, AnyType) or text.lower() in _MISSING:
        return None
    if isinstance(kind, (Array, Object, Map)):
        return _is_json(text, "[" if isinstance(kind, Array) else "{")
    if kind.name == "string":
        return None
    if kind.name == "binary":
        return _is_base64(text)
    if kind.name == "datetime":
        return _is_moment(text)
    pattern = _TRUTH if kind.name == "boolean" else _NUMBER
    return pattern.fullmatch(text.lower()) is not None


def _is_json(text: str, opening: str) -> bool:
    try:
        jsonio.loads(text.encode("utf-8"))
    except InvalidInput:
        return False
    return text.startswith(opening)


def _is_base64(text: str) -> Optional[bool]:
    try:
        scalars.decode_base64(text, strict=True)
    except scalars.Unfit:
        return False
    return True if set(text) & set("+/=") else None


def _is_moment(text: str) -> bool:
    if not text[:1].isdigit():
        return False
    try:
        scalars.parse_moments([text])
    except (scalars.Unfit, ValueError, TypeError, OverflowError):
        return False
    return True
