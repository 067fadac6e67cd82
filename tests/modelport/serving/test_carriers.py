"""The same rows give the same prediction whichever way they come, under both policies."""

import base64
import csv
import datetime
import io
import json
import time
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport import columnar
from modelport_runtime.data_types import Array, DataType, Map, Object, Property, Scalar
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.policy import LENIENT, STRICT, Policy
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.scoring import Form, Request, Scorer
from modelport_runtime.specs import ColSpec, TensorSpec

MIB = 1 << 20


# -- signatures and rows that fit them -----------------------------------------------------------------------------------


def texts() -> st.SearchStrategy[str]:
    """No text that CSV takes for a missing value."""
    return st.text(alphabet="abzä ,\"'\\n;017.", max_size=6).map("s".__add__)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**53), 2**53),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": texts(),
    "binary": st.binary(min_size=1, max_size=8),
    "datetime": st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1)),
}
ARROW = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "datetime": pa.timestamp("us"),
}
V2 = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
}
NESTED: list[tuple[DataType, st.SearchStrategy[Any]]] = [
    (Array(Scalar("double")), st.lists(VALUES["double"], min_size=1, max_size=3)),
    (Array(Scalar("string")), st.lists(texts(), max_size=3)),
    (Map(Scalar("long")), st.dictionaries(texts(), VALUES["long"], min_size=1, max_size=3)),
    (
        Object((Property("a", Scalar("double")), Property("b", Scalar("string"), required=False))),
        st.fixed_dictionaries({"a": VALUES["double"]}, optional={"b": texts()}),
    ),
]


@st.composite
def tables(draw: st.DrawFn, nested: bool) -> tuple[Schema, list[list[Any]]]:
    """A signature of named columns, and rows of it."""
    names = draw(st.lists(st.text(alphabet="abcxyz_ ", min_size=1, max_size=5).map(str.strip), min_size=1, max_size=4))
    names = sorted({name for name in names if name} or {"x"})
    columns, values = [], []
    for name in names:
        if nested and draw(st.booleans()):
            kind, strategy = draw(st.sampled_from(NESTED))
        else:
            type_name = draw(st.sampled_from(sorted(VALUES)))
            kind, strategy = Scalar(type_name), VALUES[type_name]
        columns.append(ColSpec(kind, name))
        values.append(strategy)
    rows = draw(st.lists(st.tuples(*values).map(list), min_size=1, max_size=4))
    return Schema(tuple(columns)), rows


# -- the same rows in every carrier --------------------------------------------------------------------------------------


def as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def carriers(schema: Schema, rows: list[list[Any]]) -> dict[str, tuple[str, str, bytes]]:
    """By name: content, dialect, body."""
    names = list(schema.names)
    plain = [[as_json(value) for value in row] for row in rows]
    columns = {name: [row[at] for row in plain] for at, name in enumerate(names)}
    split = {"columns": names, "data": plain}
    documents: dict[str, tuple[str, Any]] = {
        "split": ("mlflow", {"dataframe_split": split}),
        "records": ("mlflow", {"dataframe_records": [dict(zip(names, row, strict=True)) for row in plain]}),
        "inputs, rows": ("mlflow", {"inputs": [dict(zip(names, row, strict=True)) for row in plain]}),
        "instances": ("mlflow", {"instances": [dict(zip(names, row, strict=True)) for row in plain]}),
        "input_data": ("azure", {"input_data": split}),
        "v2": ("v2", {"inputs": [v2_tensor(spec, columns[spec.name]) for spec in schema.columns]}),
    }
    if all(isinstance(spec.type, Scalar) for spec in schema.columns):  # with nested columns an object is one row
        documents["inputs"] = ("mlflow", {"inputs": columns})
    found = {name: ("json", dialect, json.dumps(body).encode()) for name, (dialect, body) in documents.items()}
    table = arrow_table(schema, rows)
    found["csv"] = ("csv", "mlflow", csv_text(names, plain).encode())
    found["parquet"] = ("columns", "mlflow", columnar.decode("parquet", parquet(table), MIB))
    found["arrow"] = ("columns", "mlflow", columnar.decode("arrow", arrow_stream(table), MIB))
    return found


def v2_tensor(spec: ColSpec, values: list[Any]) -> dict[str, Any]:
    if isinstance(spec.type, Scalar):
        datatype = V2.get(spec.type.name, "BYTES")
    else:
        datatype, values = "BYTES", [json.dumps(value) for value in values]
    return {"name": spec.name, "shape": [len(values)], "datatype": datatype, "data": values}


def csv_text(names: list[Any], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([[json.dumps(cell) if isinstance(cell, (list, dict)) else cell for cell in row] for row in rows])
    return text.getvalue()


def arrow_table(schema: Schema, rows: list[list[Any]]) -> pa.Table:
    arrays = []
    for at, spec in enumerate(schema.columns):
        values = [row[at] for row in rows]
        arrays.append(pa.array(values, arrow_type(spec.type)))
    return pa.Table.from_arrays(arrays, [str(name) for name in schema.names])


def arrow_type(kind: DataType) -> pa.DataType:
    if isinstance(kind, Scalar):
        return ARROW[kind.name]
    if isinstance(kind, Array):
        return pa.list_(arrow_type(kind.items))
    if isinstance(kind, Map):
        return pa.map_(pa.string(), arrow_type(kind.values))
    assert isinstance(kind, Object)
    return pa.struct([(prop.name, arrow_type(prop.type)) for prop in kind.properties])


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def arrow_stream(table: pa.Table) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


# -- what reaches the model ----------------------------------------------------------------------------------------------


def told(data: Any, params: Any) -> list[str]:
    """What the model was given, value by value; the dtype of text is pandas' own affair."""
    if hasattr(data, "columns"):
        return [f"{name} {kind_of(column)} {cells(column.tolist())}" for name, column in data.items()]
    if isinstance(data, dict):
        return [f"{name} {array.dtype} {array.shape} {cells(array.tolist())}" for name, array in data.items()]
    return [f"{data.dtype} {data.shape} {cells(data.tolist())}"]


def kind_of(column: Any) -> str:
    return "object" if str(column.dtype) == "str" else str(column.dtype)


def cells(values: Any) -> Any:
    if isinstance(values, list):
        return [cells(value) for value in values]
    if isinstance(values, dict):
        return {key: cells(value) for key, value in sorted(values.items()) if value is not None}
    return cells(values.tolist()) if hasattr(values, "tolist") else values


def answer(schema: Schema, content: str, dialect: str, policy: Policy, body: bytes) -> Any:
    model: Any = SimpleNamespace(
        predictor=Predictor(native=None, predict=told, row_wise=False), signature=Signature(inputs=schema)
    )
    form = Form(content, dialect, policy, "json")
    (found,) = Scorer(model).score([Request(1, form, body, time.perf_counter())])
    assert isinstance(found.body, bytes), found.body
    document = json.loads(found.body)
    if dialect == "v2":
        return document["outputs"][0]["data"]
    return document if dialect == "azure" else document["predictions"]


def assert_all_agree(schema: Schema, found: dict[str, tuple[str, str, bytes]], policy: Policy) -> None:
    answers = {name: answer(schema, content, dialect, policy, body) for name, (content, dialect, body) in found.items()}
    first = next(iter(answers.values()))
    assert answers == dict.fromkeys(answers, first)


POLICY = pytest.mark.parametrize("policy", [LENIENT, STRICT], ids=["lenient", "strict"])


@POLICY
@settings(max_examples=120, deadline=None)
@given(tables(nested=False))
def test_rows_of_scalar_columns(policy: Policy, table: tuple[Schema, list[list[Any]]]) -> None:
    schema, rows = table
    assert_all_agree(schema, carriers(schema, rows), policy)


@POLICY
@settings(max_examples=80, deadline=None)
@given(tables(nested=True))
def test_rows_with_nested_columns(policy: Policy, table: tuple[Schema, list[list[Any]]]) -> None:
    schema, rows = table
    assert_all_agree(schema, carriers(schema, rows), policy)


@POLICY
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_rows_of_a_tensor(policy: Policy, data: st.DataObject) -> None:
    dtype, datatype, values, arrow = data.draw(
        st.sampled_from(
            [
                ("float64", "FP64", VALUES["double"], pa.float64()),
                ("float32", "FP32", VALUES["float"], pa.float32()),
                ("int64", "INT64", VALUES["long"], pa.int64()),
                ("bool", "BOOL", VALUES["boolean"], pa.bool_()),
            ]
        )
    )
    width = data.draw(st.integers(1, 4))
    rows = data.draw(st.lists(st.lists(values, min_size=width, max_size=width), min_size=1, max_size=4))
    schema = Schema((TensorSpec(dtype, (-1, width)),))
    names = [str(at) for at in range(width)]
    table = pa.Table.from_arrays([pa.array([row[at] for row in rows], arrow) for at in range(width)], names)
    tensor = {"name": "input", "shape": [len(rows), width], "datatype": datatype, "data": rows}
    documents: dict[str, tuple[str, Any]] = {
        "inputs": ("mlflow", {"inputs": rows}),
        "instances": ("mlflow", {"instances": rows}),
        "split": ("mlflow", {"dataframe_split": {"data": rows}}),
        "input_data": ("azure", {"input_data": rows}),
        "v2": ("v2", {"inputs": [tensor]}),
    }
    found = {name: ("json", dialect, json.dumps(body).encode()) for name, (dialect, body) in documents.items()}
    found["csv"] = ("csv", "mlflow", csv_text(names, rows).encode())
    found["parquet"] = ("columns", "mlflow", columnar.decode("parquet", parquet(table), MIB))
    found["arrow"] = ("columns", "mlflow", columnar.decode("arrow", arrow_stream(table), MIB))
    assert_all_agree(schema, found, policy)
