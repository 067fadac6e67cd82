"""Valid requests for the models of `make_models.py`, in every form that each dialect takes."""

import base64
import datetime
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PATHS = {"invocations": "/invocations", "score": "/score", "v2": "/v2/models/mlflow-model/infer"}
DIALECTS = tuple(PATHS)

_MIXED = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
_OPTIONAL = ("long", "double", "string", "binary", "datetime")
COLUMNS: dict[str, dict[str, str]] = {
    "mixed": {**{kind: kind for kind in _MIXED}, **{f"{kind}_or_none": kind for kind in _OPTIONAL}},
    "nested": {
        "messages": "messages",
        "scores": "scores",
        "grid": "grid",
        "profile": "profile",
        "weights": "weights",
        "anything": "anything",
    },
    "table": {"x": "double", "y": "double", "z": "double"},
}
"""Names of the columns, and what their cells are."""
_REQUIRED = {"mixed": set(_MIXED), "nested": {"messages"}, "table": {"x", "y", "z"}}
TENSORS: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {
    "tensor": {"input": ("float", (3,))},
    "tensors": {"points": ("double", (2,)), "ids": ("long", ()), "words": ("string", ()), "flags": ("boolean", (1,))},
}
"""Names of the tensors, what their elements are, and their shape after the rows."""
MODELS = (*COLUMNS, *TENSORS, "unsigned", "hinted")

WORDS = (
    "",
    "a",
    "hello",
    "007",
    "NaN",
    "null",
    "true",
    "1e5",
    " b ",
    'say "hi", you',
    "line\nbreak",
    "žluťoučký",
    "🙂",
    "a\u0000b",
)
MOMENTS = (
    "2024-03-01",
    "2024-03-01T09:30:00",
    "2024-03-01 09:30",
    "2024-03-01T09:30:00Z",
    "2024-03-01T09:30:00+02:00",
    "1970-01-01T00:00:00.000001",
    "2024-02-29T23:59:59.123456789",
)


@dataclass
class Draft:
    """A request before it is mutated: ``document`` is written as JSON, unless there is ``raw``; ``tail`` comes after it."""

    dialect: str
    form: str
    document: Any = None
    raw: bytes | None = None
    tail: bytes = b""
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def valid(random: Random, model: str, dialect: str) -> Draft:
    """One valid request."""
    return {"invocations": _invocation, "score": _score, "v2": _infer}[dialect](random, model)


# -- values ------------------------------------------------------------------------------------------------------------


def _double(random: Random) -> float | int:
    return random.choice((random.uniform(-10, 10), random.randint(-5, 5), 0.0, -0.0, 1e308, 5e-324, -1e-7, 2**53 + 1))


def _json_value(random: Random) -> Any:
    return random.choice((None, True, 7, 1.5, "text", [1, 2], {"k": [None, "v"]}, [], {}))


_VALUES: dict[str, Callable[[Random], Any]] = {
    "boolean": lambda random: random.random() < 0.5,
    "integer": lambda random: random.choice((0, 1, -1, 2**31 - 1, -(2**31), random.randint(-1000, 1000))),
    "long": lambda random: random.choice((0, -1, 2**53 + 1, 2**63 - 1, -(2**63), random.randint(-(10**12), 10**12))),
    "float": lambda random: random.choice((random.uniform(-10, 10), random.randint(-5, 5), -0.0, 3e38, 1e-40)),
    "double": _double,
    "string": lambda random: random.choice(WORDS),
    "binary": lambda random: base64.b64encode(random.randbytes(random.randrange(6))).decode(),
    "datetime": lambda random: random.choice(MOMENTS),
    "messages": lambda random: [
        {"role": random.choice(("user", "system")), "content": random.choice(WORDS)}
        for _ in range(random.randint(1, 3))
    ],
    "scores": lambda random: [_double(random) for _ in range(random.randrange(4))],
    "grid": lambda random: [
        [random.randint(-9, 9) for _ in range(random.randrange(3))] for _ in range(random.randrange(3))
    ],
    "profile": lambda random: {"name": random.choice(WORDS), **({"age": 5} if random.random() < 0.5 else {})},
    "weights": lambda random: {word: _double(random) for word in random.sample(WORDS, random.randrange(3))},
    "anything": _json_value,
}


def value(random: Random, kind: str) -> Any:
    return _VALUES[kind](random)


def _rows(random: Random, model: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of columns, and one to three rows; now and then without some that are optional."""
    columns = COLUMNS[model]
    names = [name for name in columns if name in _REQUIRED[model] or random.random() < 0.6]
    rows = [{name: value(random, columns[name]) for name in names} for _ in range(random.randint(1, 3))]
    return names, rows


def _array(random: Random, kind: str, shape: tuple[int, ...]) -> Any:
    if not shape:
        return value(random, kind)
    return [_array(random, kind, shape[1:]) for _ in range(shape[0])]


def _tensor_value(random: Random, model: str) -> Any:
    rows = random.randint(1, 3)
    named = {name: _array(random, kind, (rows, *shape)) for name, (kind, shape) in TENSORS[model].items()}
    return named["input"] if model == "tensor" else named


def _params(random: Random, model: str) -> dict[str, Any] | None:
    if random.random() < 0.7:
        return None
    if model == "mixed":
        known = {"factor": _double(random), "label": random.choice(WORDS), "sizes": [1, 2, 3], "unknown": 1}
    else:
        known = {"temperature": 0.5}
    return {name: known[name] for name in random.sample(sorted(known), random.randint(0, len(known)))}


def _lookalike(random: Random, model: str) -> str:
    """The model whose data is sent: one with any data takes that of all others."""
    return random.choice((*COLUMNS, *TENSORS)) if model == "unsigned" else model


# -- /invocations ------------------------------------------------------------------------------------------------------


def _invocation(random: Random, model: str) -> Draft:
    if model == "hinted":
        items = [random.choice(WORDS) for _ in range(random.randint(1, 3))]
        return Draft("invocations", "inputs", {"inputs": items})
    like = _lookalike(random, model)
    draft = (_invocation_of_columns if like in COLUMNS else _invocation_of_tensors)(random, like)
    draft.dialect = "invocations"
    if isinstance(draft.document, dict) and not draft.form.startswith(("bare", "chat")):
        params = _params(random, like) if model != "unsigned" else None
        if params is not None:
            draft.document["params"] = params
    if random.random() < 0.06:
        draft.headers["accept"] = random.choice(
            ("text/csv", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream", "*/*", "text/html")
        )
    return draft


def _invocation_of_columns(random: Random, model: str) -> Draft:
    forms = ["split", "records", "inputs", "input rows", "instances", "bare records", "bare split", "csv", "csv"]
    forms += ["parquet", "arrow"]
    forms += ["chat", "chat"] if model == "nested" else ["bare rows", "csv rows"]
    form = random.choice(forms)
    if form in ("parquet", "arrow"):
        return Draft(
            "", form, raw=random.choice(_columnar(model, form)), content_type=f"application/vnd.apache.{_SUFFIX[form]}"
        )
    names, rows = _rows(random, model)
    if form in ("bare rows", "csv rows"):
        names = list(COLUMNS[model])
        rows = [{name: row.get(name, None) for name in names} for row in rows]
    if form.startswith("csv"):
        return Draft("", form, raw=_csv(names if form == "csv" else [], names, rows).encode(), content_type="text/csv")
    cells = [[row[name] for name in names] for row in rows]
    split: dict[str, Any] = {"columns": names, "data": cells}
    if random.random() < 0.3:
        split["index"] = [random.choice((at, f"r{at}")) for at in range(len(rows))]
    by_form: dict[str, Any] = {
        "split": {"dataframe_split": split},
        "records": {"dataframe_records": rows},
        "inputs": {"inputs": {name: [row[name] for row in rows] for name in names}},
        "input rows": {"inputs": rows},
        "instances": {"instances": rows},
        "bare records": rows,
        "bare rows": cells,
        "bare split": split,
        "chat": {**rows[0], **(_params(random, model) or {})},
    }
    return Draft("", form, by_form[form])


def _invocation_of_tensors(random: Random, model: str) -> Draft:
    form = random.choice(
        ("inputs", "inputs", "instances", "csv", "parquet") if model == "tensor" else ("inputs", "instances")
    )
    found = _tensor_value(random, model)
    if form == "csv":
        lines = [",".join(map(str, row)) for row in found]
        return Draft("", form, raw="\n".join(["0,1,2", *lines, ""]).encode(), content_type="text/csv")
    if form == "parquet":
        return Draft(
            "", form, raw=random.choice(_columnar("table", form)), content_type="application/vnd.apache.parquet"
        )
    return Draft("", form, {form: found})


def _csv(header: list[str], names: list[str], rows: list[dict[str, Any]]) -> str:
    lines = [header] if header else []
    lines += [[_cell(row[name]) for name in names] for row in rows]
    return "".join(",".join(line) + "\n" for line in lines)


def _cell(found: Any) -> str:
    if found is None:
        return ""
    text = found if isinstance(found, str) else json.dumps(found)
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in '",\n\r') else text


_SUFFIX = {"parquet": "parquet", "arrow": "arrow.stream"}
_ARROW = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "datetime": pa.timestamp("us"),
    "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
    "scores": pa.list_(pa.float64()),
    "grid": pa.list_(pa.list_(pa.int64())),
    "profile": pa.struct([("name", pa.string()), ("age", pa.int64())]),
    "weights": pa.map_(pa.string(), pa.float64()),
    "anything": pa.string(),
}
_OTHERS = {
    "boolean": (pa.int8(),),
    "integer": (pa.int8(), pa.uint16(), pa.int64(), pa.float64()),
    "long": (pa.int32(), pa.uint64(), pa.decimal128(20, 2)),
    "float": (pa.float16(), pa.float64(), pa.int16()),
    "double": (pa.float32(), pa.int64(), pa.decimal128(20, 4)),
    "string": (pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.binary(), pa.string_view()),
    "binary": (pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())),
    "datetime": (pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ms", "Europe/Prague"), pa.date32(), pa.string()),
    "scores": (pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.int64())),
}
"""Other types that the values of a column may have."""
_SMALL = {
    "boolean": (True, 0, 1),
    "integer": (0, 1, 100),
    "long": (0, 1, 2**31 - 1),
    "float": (0, 1, 2),
    "double": (0, 1, 2),
}


@cache
def _columnar(model: str, form: str) -> list[bytes]:
    """A few files of the model's columns, of the plain types and of others."""
    random = Random(f"{model} {form}")
    return [_file(random, model, form) for _ in range(25)]


def _file(random: Random, model: str, form: str) -> bytes:
    names, rows = _rows(random, model)
    arrays = []
    for name in names:
        kind = COLUMNS[model][name]
        type_ = _ARROW[kind]
        if kind in _OTHERS and random.random() < 0.15:
            type_ = random.choice(_OTHERS[kind])
            if kind in _SMALL:
                rows = [{**row, name: random.choice(_SMALL[kind])} for row in rows]
        cells = [_arrow_cell(row[name], kind, type_) for row in rows]
        if random.random() < 0.05:
            cells[0] = None
        dictionary = pa.types.is_dictionary(type_)
        array = pa.array(cells, type_.value_type if dictionary else type_)
        arrays.append(array.dictionary_encode() if dictionary else array)
    found = pa.table(dict(zip(names, arrays, strict=True)))
    sink = io.BytesIO()
    if form == "parquet":
        if model == "table" and random.random() < 0.3:
            found = found.replace_schema_metadata({b"pandas": b'{"index_columns": ["i"], "column_indexes": []}'})
        pq.write_table(found, sink, compression=random.choice(("none", "snappy", "zstd", "gzip")))
    else:
        options = pa.ipc.IpcWriteOptions(compression=random.choice((None, "zstd", "lz4")))
        with pa.ipc.new_stream(sink, found.schema, options=options) as stream:
            stream.write_table(found, max_chunksize=random.choice((1, 10)))
    return sink.getvalue()


def _arrow_cell(found: Any, kind: str, type_: Any) -> Any:
    if kind == "anything":
        return json.dumps(found)
    if kind == "binary":
        return base64.b64decode(found)
    if kind == "datetime" and not pa.types.is_string(type_):
        moment = datetime.datetime(2024, 3, 1, 9, 30)
        return moment.date() if pa.types.is_date(type_) else moment
    if kind == "boolean":
        return bool(found) if pa.types.is_boolean(type_) else int(found)
    if kind == "scores":
        return [1, 2] if pa.types.is_integer(type_.value_type) else [float(number) for number in found]
    if kind == "weights":
        return {name: float(number) for name, number in found.items()}
    if kind in ("float", "double") and pa.types.is_floating(type_):
        return float(found)
    if kind == "string" and pa.types.is_binary(type_):
        return found.encode()
    return found


# -- /score ------------------------------------------------------------------------------------------------------------


def _score(random: Random, model: str) -> Draft:
    if model == "hinted":
        return Draft("score", "list", {"input_data": [random.choice(WORDS) for _ in range(random.randint(1, 3))]})
    like = _lookalike(random, model)
    if like in TENSORS:
        return Draft("score", "tensors", {"input_data": _tensor_value(random, like)})
    form = random.choice(("split", "split", "split", "rows"))
    names, rows = _rows(random, like)
    if form == "rows":
        names = list(COLUMNS[like])
        rows = [
            {name: row[name] if name in row else value(random, COLUMNS[like][name]) for name in names} for row in rows
        ]
    cells = [[row[name] for name in names] for row in rows]
    document: dict[str, Any] = {"input_data": cells}
    if form == "split":
        document["input_data"] = {"columns": names, "data": cells}
        if random.random() < 0.4:
            document["input_data"]["index"] = list(range(len(rows)))
    params = _params(random, like) if model != "unsigned" else None
    if params is not None:
        document["params"] = params
    return Draft("score", form, document)


# -- /v2 ---------------------------------------------------------------------------------------------------------------

_DATATYPES = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    **dict.fromkeys(("string", "binary", "datetime"), "BYTES"),
}
_CODES = {"BOOL": "?", "INT32": "i", "INT64": "q", "FP32": "f", "FP64": "d"}


def _infer(random: Random, model: str) -> Draft:
    binary = random.random() < 0.35
    tail: list[bytes] = []
    inputs = [_infer_tensor(*tensor, binary and random.random() < 0.8, tail) for tensor in _infer_inputs(random, model)]
    document: dict[str, Any] = {"inputs": inputs}
    if random.random() < 0.3:
        document["id"] = random.choice(WORDS)
    parameters = dict(_params(random, model) or {}) if model in ("mixed", "nested") else {}
    if random.random() < 0.15:
        parameters["binary_data_output"] = random.random() < 0.8
    if parameters:
        document["parameters"] = parameters
    if model in ("table", "tensor") and random.random() < 0.2:
        document["outputs"] = [{"name": "predictions", "parameters": {"binary_data": random.random() < 0.5}}]
    draft = Draft("v2", "binary" if binary else "json", document, tail=b"".join(tail))
    if binary:
        draft.content_type = random.choice(("application/octet-stream", "application/json", None))
    return draft


def _infer_inputs(random: Random, model: str) -> list[tuple[str, str, list[int], list[Any], list[bytes] | None]]:
    """Name, datatype, shape, flat elements; for BYTES that are no text in JSON, the bytes that stand for them."""
    if model == "hinted":
        words = [random.choice(WORDS) for _ in range(random.randint(1, 3))]
        return [("input", "BYTES", [len(words)], words, None)]
    like = _lookalike(random, model)
    found: list[tuple[str, str, list[int], list[Any], list[bytes] | None]] = []
    if like in TENSORS:
        rows = random.randint(1, 3)
        for name, (kind, shape) in TENSORS[like].items():
            extent = [rows, *shape]
            size = rows * (shape[0] if shape else 1)
            found.append((name, _DATATYPES[kind], extent, [value(random, kind) for _ in range(size)], None))
        return found
    names, lines = _rows(random, like)
    for name in names:
        kind = COLUMNS[like][name]
        cells = [line[name] for line in lines]
        raw = [base64.b64decode(cell) for cell in cells] if kind == "binary" else None
        if kind == "scores" and random.random() < 0.5:
            numbers = [_double(random) for _ in range(2 * len(cells))]
            found.append((name, "FP64", [len(cells), 2], numbers, None))
        elif kind in _DATATYPES:
            shape = [len(cells), 1] if random.random() < 0.2 else [len(cells)]
            found.append((name, _DATATYPES[kind], shape, cells, raw))
        else:
            found.append((name, "BYTES", [len(cells)], [json.dumps(cell) for cell in cells], None))
    return found


def _infer_tensor(
    name: str,
    datatype: str,
    shape: list[int],
    cells: list[Any],
    raw: list[bytes] | None,
    binary: bool,
    tail: list[bytes],
) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "shape": shape, "datatype": datatype}
    if not binary:
        return {**tensor, "data": cells}
    if datatype == "BYTES":
        held = raw if raw is not None else [cell.encode() for cell in cells]
        part = b"".join(struct.pack("<I", len(item)) + item for item in held)
    else:
        part = struct.pack(f"<{len(cells)}{_CODES[datatype]}", *cells)
    tail.append(part)
    return {**tensor, "parameters": {"binary_data_size": len(part)}}
