"""The cases of ``cases.json``, what each sends, and whether an answer is the one that mlflow gave.

A case without ``like`` was put to mlflow in the same words. One with ``like`` says the same as that other case in a way that
mlflow cannot read, and must get its prediction: as CSV with moments, or in a ``way`` as Parquet, to ``/score`` or to ``/v2``.
"""

import datetime
import io
import json
import math
from pathlib import Path
from typing import Any

Case = dict[str, Any]

CASES: list[Case] = json.loads(Path(__file__).with_name("cases.json").read_text())
_BY_NAME = {case["name"]: case for case in CASES}
JSON = {"content_type": "application/json"}
PARQUET = "application/vnd.apache.parquet"
_DATATYPES = {"count": "INT64", "active": "BOOL", "kind": "BYTES", "when": "BYTES", "note": "BYTES"}
"""Datatypes of the columns; all others are doubles."""


def text(case: Case) -> str:
    """What a case sends that has words of its own."""
    return case["text"] if "text" in case else json.dumps(case["body"])


def request(case: Case) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body."""
    model = f"/models/{case['model']}"
    if "content" in case:
        return f"{model}/invocations", {"content_type": case["content"]}, text(case).encode()
    body = _BY_NAME[case["like"]]["body"]
    if case["way"].startswith("Parquet"):
        headers = {"content_type": PARQUET, "accept": PARQUET if case["way"].endswith("back") else "*/*"}
        return f"{model}/invocations", headers, _parquet(body["dataframe_split"])
    if case["way"] == "score":
        document = {"input_data": body["dataframe_split"], **{key: body[key] for key in body if key == "params"}}
        return f"{model}/score", JSON, json.dumps(document).encode()
    return f"/v2{model}/infer", JSON, json.dumps({"inputs": _tensors(body)}).encode()


def _parquet(split: dict[str, Any]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    columns = dict(zip(split["columns"], zip(*split["data"], strict=True), strict=True))
    if "when" in columns:
        columns["when"] = tuple(datetime.datetime.fromisoformat(moment) for moment in columns["when"])
    file = io.BytesIO()
    parquet.write_table(pa.table({name: list(values) for name, values in columns.items()}), file)
    return file.getvalue()


def _from_parquet(body: bytes) -> dict[str, list[Any]]:
    from pyarrow import parquet

    columns = parquet.read_table(io.BytesIO(body)).to_pydict()
    return {
        name: [value.isoformat() if isinstance(value, datetime.datetime) else value for value in values]
        for name, values in columns.items()
    }


def _tensors(body: dict[str, Any]) -> list[dict[str, Any]]:
    if "inputs" in body:
        rows = body["inputs"]
        return [{"name": "input", "datatype": "FP64", "shape": [len(rows), len(rows[0])], "data": rows}]
    split = body["dataframe_split"]
    return [
        {
            "name": name,
            "datatype": _DATATYPES.get(name, "FP64"),
            "shape": [len(split["data"])],
            "data": [row[place] for row in split["data"]],
        }
        for place, name in enumerate(split["columns"])
    ]


def mismatch(case: Case, theirs: dict[str, Any], status: int, body: Any) -> str | None:
    """How our answer differs from what mlflow answered, in words; None: it does not."""
    expected = case.get("status", theirs["status"])
    if status != expected:
        return f"status {status} instead of {expected}: {_short(body)}"
    if expected != 200:
        if case.get("way") == "v2":
            return None if body.get("error") else f"no error in {_short(body)}"
        code = case.get("error_code", theirs.get("error_code"))
        found = body.get("error_code") if isinstance(body, dict) else None
        return None if found == code else f"error code {found} instead of {code}: {_short(body)}"
    wanted = theirs["body"]["predictions"]
    if case.get("way") == "score":
        found = body
    elif case.get("way") == "Parquet, and back":
        found, wanted = _from_parquet(body), _by_column(wanted)
    elif case.get("way") == "v2":
        found = {output["name"]: output["data"] for output in body["outputs"]}
        wanted = _by_column(wanted)
    else:
        found = body["predictions"]
    return None if same(wanted, found) else f"{_short(found)} instead of {_short(wanted)}"


def _by_column(predictions: list[Any]) -> dict[str, list[Any]]:
    if isinstance(predictions[0], dict):
        return {name: [row[name] for row in predictions] for name in predictions[0]}
    return {"predictions": predictions}


def same(left: Any, right: Any) -> bool:
    """Equal, where floats may differ by what another order of additions makes; whole numbers may be floats."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float | int) and not isinstance(right, bool):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return type(left) is type(right) and bool(left == right)


def _short(value: Any) -> str:
    return json.dumps(value, default=repr)[:300]
