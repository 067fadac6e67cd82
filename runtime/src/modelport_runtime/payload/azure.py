"""Azure ML's no-code scoring bodies (``{"input_data": ..., "params": ...}``) → ``Payload``.

Which form ``input_data`` has is decided by the signature, and by its own shape only where there is none.
"""

import json
from typing import Any, Dict, List, Optional, Tuple

from modelport_runtime.data_types import Scalar
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import jsonio
from modelport_runtime.payload.decoding import FORMS, Payload
from modelport_runtime.schema import Schema

_SPLIT = 'a split frame, {"columns": [...], "data": [[...], ...]}'
_MISSING = "A value is not provided for the 'input_data' parameter."
_MAX_NAMES = 20


def read_json(
    body: bytes, schema: Optional[Schema], param_names: Tuple[str, ...], from_type_hint: bool = False
) -> Payload:
    """Find the data and params in a body: the form is ``dataframe_split`` for rows of columns, else ``inputs``.

    Raises InvalidInput where the body is none, has no ``input_data``, or has it in another form than the signature's;
    the first of these in the words of Azure's inference server, which clients look for.
    """
    document = _document(body)
    if "input_data" not in document:
        raise InvalidInput(_MISSING + _where_it_is(document))
    misplaced = [name for name in param_names if name in document and name not in ("input_data", "params")]
    if misplaced:
        raise InvalidInput(f"The inference parameters {_listed(misplaced)} stand beside 'params'; put them into it.")
    value = document["input_data"]
    if from_type_hint:
        form, value = "inputs", _hinted_items(value)
    elif schema is None:
        form, value = _by_shape(value)
    elif schema.is_tensor:
        form, value = _by_tensors(value, schema)
    else:
        form, value = _by_columns(value, schema)
    return Payload(form, value, document.get("params"))


# -- the body


def _document(body: bytes) -> Dict[str, Any]:
    try:
        document = jsonio.loads(body)
    except InvalidInput as error:
        if not body:
            raise InvalidInput("POST body is empty. Expecting a JSON dictionary.") from None
        raise InvalidInput(f"POST body could not be decoded as JSON: {_reason(body, error)}") from None
    if not isinstance(document, dict):
        raise InvalidInput("POST body should be a JSON dictionary.")
    return document


def _reason(body: bytes, error: InvalidInput) -> str:
    """Why a body is no JSON, as Python's own reader says it where it can: Azure's server hands that on."""
    try:
        json.loads(body)
    except json.JSONDecodeError as problem:
        return str(problem)
    except (ValueError, RecursionError):
        pass
    return error.message


def _where_it_is(document: Dict[str, Any]) -> str:
    """A sentence about the key that stands in the place of ``input_data``, or nothing."""
    for name in (*FORMS, "messages", "prompt", "input"):
        if name in document:
            return f" Found '{name}', a key of /invocations; here the data stands under 'input_data'."
    return ""


# -- the forms


def _hinted_items(value: Any) -> List[Any]:
    """The items of a type-hinted model: a list as it is; of a split frame the values of one column, or an object a row."""
    if isinstance(value, list):
        return value
    if not _is_split(value):
        raise _refused("The model's type hint asks for a list of items", value)
    frame = _checked_frame(value)
    names = frame.get("columns") or [None]
    if len(names) == 1:
        return [row[0] for row in frame["data"]]
    return [dict(zip(names, row)) for row in frame["data"]]


def _by_shape(value: Any) -> Tuple[str, Any]:
    """Without a signature: a list is an array; ``columns`` and ``data`` make a frame; any other object is tensors."""
    if isinstance(value, list):
        _refuse_records(value, _SPLIT)
        return "inputs", value
    if not isinstance(value, dict) or not value:
        raise _refused(f"It takes a list (one array), {_SPLIT}, or an object of named lists", value)
    if _is_split(value) and "columns" in value:
        return "dataframe_split", _checked_frame(value)
    return "inputs", value


def _by_columns(value: Any, schema: Schema) -> Tuple[str, Any]:
    """A split frame. A list, or a frame without ``columns``, has its values in the order of the signature."""
    if isinstance(value, list):
        _refuse_records(value, _SPLIT)
        unnamed_and_nested = not schema.has_names and not isinstance(schema.columns[0].type, Scalar)
        if unnamed_and_nested and len(schema.specs) == 1:
            return "inputs", value
        value = {"data": value}
    if not _is_split(value):
        raise _refused(f"The model's signature has columns, so it takes {_SPLIT}", value)
    if value.get("columns") is not None:
        return "dataframe_split", _checked_frame(value)
    frame = _checked_frame({**value, "columns": list(schema.names)}, implied=True)
    if not schema.has_names:
        del frame["columns"]
    return "dataframe_split", frame


def _by_tensors(value: Any, schema: Schema) -> Tuple[str, Any]:
    """An object with a list for each named tensor; a list for one without a name."""
    if schema.has_names:
        if not isinstance(value, dict):
            names = _listed(list(schema.names))
            raise _refused(
                f"The model's signature has named tensors, so it takes an object with lists for {names}", value
            )
    else:
        if not isinstance(value, list):
            raise _refused("The model's signature is one tensor, so it takes a (nested) list", value)
        _refuse_records(value, "a (nested) list")
    return "inputs", value


def _is_split(value: Any) -> bool:
    return isinstance(value, dict) and "data" in value and value.keys() <= {"columns", "index", "data"}


def _checked_frame(value: Dict[str, Any], implied: bool = False) -> Dict[str, Any]:
    """A split frame that is a table: every row a list as long as ``columns`` (in one column the bare value will do).

    ``implied``: the columns are the signature's, not the caller's.
    """
    names, index, rows = value.get("columns"), value.get("index"), value["data"]
    names = [None] if names is None else names
    if not isinstance(names, list) or any(isinstance(name, (list, dict)) for name in names):
        raise InvalidInput("'columns' of 'input_data' must be a list of names.")
    if not isinstance(rows, list):
        raise InvalidInput(f"'data' of 'input_data' must be a list of rows; found {_json_type(rows)}.")
    if len(names) == 1 and not any(isinstance(row, (list, dict)) for row in rows):
        rows = [[row] for row in rows]
    if set(map(type, rows)) - {list} or set(map(len, rows)) - {len(names)}:
        raise _wrong_row(rows, names, implied)
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise InvalidInput(
            f"'index' of 'input_data' must be a list of {len(rows)} labels, one for each row, or absent."
        )
    return {**value, "data": rows}


def _wrong_row(rows: List[Any], names: List[Any], implied: bool) -> InvalidInput:
    number, row = next(
        (number, row) for number, row in enumerate(rows) if type(row) is not list or len(row) != len(names)
    )
    wanted = "the signature's columns" if implied else "'columns'"
    found = f"a list of {len(row)}" if isinstance(row, list) else _json_type(row)
    return InvalidInput(
        f"Each row of 'input_data' must be a list of {len(names)} values, in the order of {wanted}: {_listed(names)}; "
        f"row {number} is {found}."
    )


def _refuse_records(items: List[Any], wanted: str) -> None:
    if any(isinstance(item, dict) for item in items):
        raise InvalidInput(f"'input_data' is a list of objects, which is not taken here; send {wanted}.")


def _refused(wanted: str, value: Any) -> InvalidInput:
    keys = f" with the keys {_listed(list(value)) or 'none'}" if isinstance(value, dict) else ""
    return InvalidInput(f"'input_data' has not the right form. {wanted}; found {_json_type(value)}{keys}.")


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _listed(names: List[Any]) -> str:
    shown = ", ".join(repr(name)[:60] for name in names[:_MAX_NAMES])
    return shown if len(names) <= _MAX_NAMES else f"{shown} and {len(names) - _MAX_NAMES} more"
