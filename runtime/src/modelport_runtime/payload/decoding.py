"""Request bytes → ``Payload`` → the data MLflow's server would hand to ``PyFuncModel.predict``, before enforcement."""

import io
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from modelport_runtime.data_types import Array, DataType, Map, Object, Scalar
from modelport_runtime.errors import InvalidInput, SchemaMismatch
from modelport_runtime.payload import jsonio
from modelport_runtime.payload.casting import Misfits, as_array, cast_frame, cast_value, json_cells, object_array
from modelport_runtime.payload.first_line import first_fields, is_row
from modelport_runtime.policy import Policy
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
_TOO_MANY_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
"""How pandas says it."""


class Payload(NamedTuple):
    """A request's data as JSON has it.

    ``form``: one of ``FORMS``; ``llm``: the whole object is the data; ``rows``: a list of lists without any key.
    """

    form: str
    value: Any
    params: Any
    """None when absent."""

    @property
    def unwrapped(self) -> bool:
        """Whether the answer is the bare prediction, without the ``predictions`` key."""
        return self.form == "llm"


def read_json(body: bytes, params_names: Tuple[str, ...], exact: bool = True) -> Payload:
    """Find the data and params in a JSON body; ``params_names`` are those of the params schema.

    Where ``exact`` is not asked for, integers beyond 64 bits may come as floats. What clients of MLflow 1 send has no key:
    a list of records, a list of rows, an object with ``columns`` and ``data``.

    Raises InvalidInput where the body is none of these and no JSON object with exactly one of the data keys.
    """
    document = jsonio.loads(body, exact)
    if type(document) is not dict:
        return _bare_list(document)
    if "messages" in document or "prompt" in document or "input" in document:
        params = {name: document.pop(name) for name in params_names if name in document}
        return Payload("llm", document, params or None)
    form = ""
    for key in FORMS:
        if key in document:
            if form:
                raise InvalidInput(f"Invalid input. The body has both '{form}' and '{key}'; send exactly one of them.")
            form = key
    if not form:
        if document.keys() in ({"columns", "data"}, {"columns", "index", "data"}):
            return Payload("dataframe_split", document, None)
        found = ", ".join(f"'{key[:60]}'" for key in list(document)[:10]) or "none"
        raise InvalidInput(
            f"Invalid input. The body must have exactly one of the keys {_any_of(FORMS)}; found: {found}."
        )
    return Payload(form, document[form], document.get("params"))


def _bare_list(document: Any) -> Payload:
    if type(document) is list and document:
        if all(type(item) is dict for item in document):
            return Payload("dataframe_records", document, None)
        if all(type(item) is list for item in document):
            return Payload("rows", document, None)
    raise InvalidInput(
        f"Invalid input. The body must be a JSON object with exactly one of {_any_of(FORMS)}, or a list of records; "
        f"found {_json_type(document)}."
    )


def _any_of(names: Tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def to_data(payload: Payload, schema: Optional[Schema], policy: Policy, from_type_hint: bool = False) -> Any:
    """The payload as DataFrame, ndarray, dict of arrays or list, its values cast to what ``schema`` declares.

    A model whose signature comes from a type hint takes ``inputs`` only, as they are. Raises InvalidInput, or
    SchemaMismatch naming every offending column and row.
    """
    if payload.form == "llm":
        return payload.value
    if from_type_hint:
        if payload.form != "inputs":
            raise SchemaMismatch(
                "This model's signature comes from a type hint: it takes a JSON object with the key 'inputs' only."
            )
        return payload.value
    try:
        if payload.form == "dataframe_split":
            return _cast(split_frame(payload.value), schema, policy)
        if payload.form == "dataframe_records":
            return _cast(records_frame(payload.value), schema, policy)
        if payload.form == "rows":
            return _from_rows(payload.value, schema, policy)
        if payload.form == "instances" and _is_list_of_dicts(payload.value[:1] if _is_list(payload.value) else None):
            return _from_instances(payload.value, schema, policy)
        data = _from_inputs(payload.value, schema, policy)
    except RecursionError:
        raise InvalidInput("Invalid input. The data is nested too deeply.") from None
    if payload.form == "instances" and isinstance(data, dict):
        _check_lengths(data, schema)
    return data


def _cast(frame: Any, schema: Optional[Schema], policy: Policy) -> Any:
    return frame if schema is None else cast_frame(frame, schema, policy)


def split_frame(value: Any) -> Any:
    """``{"columns": [...], "index": [...], "data": [[...]]}`` as a DataFrame; columns and index may be absent."""
    import pandas as pd

    if not isinstance(value, dict):
        raise InvalidInput(f"Invalid input. 'dataframe_split' must be an object; found {_json_type(value)}.")
    extra = value.keys() - {"columns", "index", "data"}
    if "data" not in value or extra:
        problem = f"found also {', '.join(sorted(extra))}" if extra else "'data' is missing"
        raise InvalidInput(
            f"Invalid input. 'dataframe_split' has the keys 'data' and perhaps 'columns' and 'index'; {problem}."
        )
    try:
        frame = pd.DataFrame(value["data"], index=value.get("index"), columns=value.get("columns"))
        set(frame.columns)  # pandas only notices later that a label is a list or an object
        return frame
    except Exception as error:  # noqa: BLE001  pandas raises whatever it meets on the way
        raise InvalidInput(f"Invalid input. 'dataframe_split' is not a table: {error}") from None


def records_frame(value: Any) -> Any:
    """A list of objects as a DataFrame; what a record lacks is missing."""
    import pandas as pd

    if not isinstance(value, list):
        raise InvalidInput(f"Invalid input. 'dataframe_records' must be a list; found {_json_type(value)}.")
    try:
        return pd.DataFrame(value)
    except Exception as error:  # noqa: BLE001  pandas raises whatever it meets on the way
        raise InvalidInput(f"Invalid input. 'dataframe_records' is not a list of records: {error}") from None


def _from_rows(rows: List[List[Any]], schema: Optional[Schema], policy: Policy) -> Any:
    """Rows without a key: of all declared columns in order, or what ``inputs`` takes where there are no names."""
    import pandas as pd

    if schema is None:
        return records_frame(rows)
    if not schema.has_names or (schema.is_tensor and len(schema.specs) == 1):
        return _from_inputs(rows, schema, policy)
    width = len(schema.specs)
    if schema.is_tensor or any(len(row) != width for row in rows):
        wanted = "named tensors" if schema.is_tensor else f"rows of {width} values, one for each column"
        raise InvalidInput(
            f"Invalid input. A bare list of lists fits this model only as {wanted}; name the columns with "
            "'dataframe_split' or 'dataframe_records'."
        )
    try:
        frame = pd.DataFrame(rows, columns=list(schema.names))
    except ValueError as error:  # text that is no Unicode
        raise InvalidInput(f"Invalid input. The rows are not a table: {error}") from None
    return cast_frame(frame, schema, policy)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _named(schema: Optional[Schema]) -> Dict[Any, Union[ColSpec, TensorSpec]]:
    if schema is None or not schema.has_names:
        return {}
    return {spec.name: spec for spec in schema.specs}


def _from_inputs(value: Any, schema: Optional[Schema], policy: Policy) -> Any:
    """The value of ``inputs`` (or of ``instances`` in any form but a list of objects)."""
    specs = _named(schema)
    if len(specs) == 1 and isinstance(value, list) and not any(isinstance(item, dict) for item in value):
        value = {next(iter(specs)): value}
    if schema is not None and not specs and (value is None or isinstance(value, dict)):
        raise InvalidInput(
            "Invalid input. The model's signature has no names, so it takes one value or (nested) list; "
            f"found {_json_type(value)}."
        )
    nested = _unnamed_nested_type(schema)
    if schema is not None and nested is not None and isinstance(value, list):
        return _cast(_cells_frame(value, nested), schema, policy)
    misfits = Misfits()
    data: Any
    if isinstance(value, dict):
        data = _cast_members(value, specs, policy, misfits)
    elif _is_list_of_dicts(value):
        data = [_cast_members(item, specs, policy, misfits, row) for row, item in enumerate(value)]
    elif isinstance(value, list) and not value and not (schema is not None and schema.is_tensor):
        data = value
    elif schema is not None and not specs and _differ(schema) and isinstance(value, list):
        return _cast(records_frame(value), schema, policy)
    else:
        data = cast_value(value, schema.specs[0] if schema is not None else None, policy, misfits)
    misfits.check()
    return data


def _unnamed_nested_type(schema: Optional[Schema]) -> Union[Array, Object, Map, None]:
    """The array, object or map type of a signature that is one column without a name."""
    if schema is None or schema.has_names or len(schema.specs) != 1 or schema.is_tensor:
        return None
    kind = schema.columns[0].type
    return kind if isinstance(kind, (Array, Object, Map)) else None


def _cells_frame(value: List[Any], kind: DataType) -> Any:
    """One column of the list's items where each could be a cell; else one row whose cell is the list."""
    import pandas as pd

    cells = value if all(_could_be(item, kind) for item in value) else [value]
    return pd.DataFrame({0: object_array(cells)})


def _could_be(value: Any, kind: DataType) -> bool:
    if isinstance(kind, Array):
        return isinstance(value, list) and all(_could_be(item, kind.items) for item in value)
    return isinstance(value, dict) if isinstance(kind, (Object, Map)) else True


def _differ(schema: Schema) -> bool:
    """Whether the columns are of several types, so that one array cannot hold them."""
    return len({spec.type for spec in schema.columns}) > 1


def _cast_members(
    value: Dict[str, Any], specs: Dict[Any, Any], policy: Policy, misfits: Misfits, row: Optional[int] = None
) -> Dict[str, Any]:
    return {
        name: cast_value(item, specs.get(name), policy, misfits, row)
        for name, item in value.items()
        if not _counts_as_absent(item, specs.get(name))
    }


def _counts_as_absent(item: Any, spec: Any) -> bool:
    """An optional column of nothing but nulls, of a type that has no null."""
    if not isinstance(spec, ColSpec) or spec.required or not isinstance(spec.type, Scalar):
        return False
    if spec.type.name not in ("integer", "long", "binary"):
        return False
    return item is None or (isinstance(item, list) and bool(item) and all(cell is None for cell in item))


def _from_instances(items: List[Any], schema: Optional[Schema], policy: Policy) -> Any:
    """A list of objects, turned into columns; nested columns stay with their rows."""
    if not _is_list_of_dicts(items):
        raise InvalidInput("Invalid input. 'instances' mixes objects with other values.")
    specs = _named(schema)
    if any(isinstance(spec, ColSpec) and isinstance(spec.type, (Array, Object, Map)) for spec in specs.values()):
        return _from_inputs(items, schema, policy)
    columns: Dict[str, List[Any]] = {}
    for item in items:
        for name, value in item.items():
            columns.setdefault(name, []).append(value)
    misfits = Misfits()
    data = _cast_members(columns, specs, policy, misfits)
    misfits.check()
    data = {name: as_array(values) if isinstance(values, list) else values for name, values in data.items()}
    _check_lengths(data, schema)
    return data


def _check_lengths(data: Dict[str, Any], schema: Optional[Schema]) -> None:
    """Every column of ``instances`` (declared and required ones, where there is a signature) has one length."""
    specs = _named(schema)
    lengths = {}
    for name, values in data.items():
        spec = specs.get(name)
        if specs and (
            spec is None or (isinstance(spec, ColSpec) and (isinstance(spec.type, Array) or not spec.required))
        ):
            continue
        if getattr(values, "ndim", 1) and hasattr(values, "__len__") and not isinstance(values, (str, bytes)):
            lengths[name] = len(values)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r}: {length}" for name, length in list(lengths.items())[:10])
        raise InvalidInput(f"Invalid input. The columns of 'instances' have unequal lengths: {found}.")


def read_csv(body: bytes, schema: Optional[Schema], policy: Policy) -> Any:
    """A CSV body as a DataFrame, its values cast to what ``schema`` declares.

    The first line is a header, unless the signature makes plain that it is a row. Text stays text (``007``), moments and
    base64 are read, array, object and map columns hold JSON.
    Raises InvalidInput, or SchemaMismatch naming every offending column and row.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(io.BytesIO(body), **({} if schema is None else _csv_options(first_fields(body), schema)))
    except pd.errors.EmptyDataError:
        raise InvalidInput("The body is empty; expected CSV with a header row.") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The body is not valid UTF-8: {error.reason} at byte {error.start}.") from None
    except InvalidInput:
        raise
    except Exception as error:  # noqa: BLE001  pandas raises whatever it meets on the way
        raise InvalidInput(f"The body is not valid CSV: {_csv_problem(error)}") from None
    if schema is None:
        return frame
    if schema.is_tensor and not isinstance(frame.index, pd.RangeIndex):  # pandas took the first fields as row labels
        raise InvalidInput("The body is not valid CSV: there are rows with more fields than the header.")
    return cast_frame(json_cells(frame, schema), schema, policy, exact=True)


def _csv_options(fields: List[str], schema: Schema) -> Dict[str, Any]:
    """How pandas has to read a CSV body that begins with these fields. InvalidInput for a name that is given twice."""
    options: Dict[str, Any] = {"dtype": dict.fromkeys(_text_columns(schema), object)}
    if is_row(fields, schema):
        options["header"] = None
        if schema.has_names:
            options["names"] = list(schema.names)
    elif schema.has_names:
        twice = [name for name in schema.names if fields.count(str(name)) > 1]
        if twice:
            raise InvalidInput(f"Invalid input. The header has the column {str(twice[0])[:60]!r} more than once.")
    return options


def _csv_problem(error: Exception) -> str:
    found = _TOO_MANY_FIELDS.search(str(error))
    if found is None:
        return str(error)
    expected, line, fields = found.groups()
    return f"line {line} has {fields} fields, the lines before it {expected}."


def _text_columns(schema: Schema) -> List[Any]:
    """Names (positions where there are none) of the columns to be read as they are written."""
    read_by_pandas = ("boolean", "integer", "long", "float", "double")
    found: List[Any] = []
    for name, spec in zip(schema.names, schema.specs):
        if isinstance(spec, TensorSpec):
            if spec.dtype in ("str", "object", "bytes"):
                found.append(name)
        elif isinstance(spec.type, (Array, Object, Map)) or (
            isinstance(spec.type, Scalar) and spec.type.name not in read_by_pandas
        ):
            found.append(name)
    return found
