"""The cases of the interop suite: the files in ``cases/`` read into values.

An entry has ``model`` and ``name``; a body as ``json``, ``text``, ``base64``, ``tensor`` (the shape of one made here, under
``key``) or ``parquet`` (``columns``: name → values; ``types``: name → Arrow type, where it is not Arrow's own choice); perhaps
``method``, ``path``, ``content_type`` (null: none is sent). Where we differ from MLflow on purpose it has ``divergence`` (an
id of ``tests/divergences.json``) and ``ours``, our answer; ``only`` lists the environments where that is so.
"""

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

from tests.interop.environment import ENVIRONMENTS, HERE

CASES = HERE / "cases"
PARQUET = "application/vnd.apache.parquet"
KEYS = ("dataframe_split", "dataframe_records", "inputs", "instances")


@dataclass(frozen=True)
class Case:
    """One request to one model, the same bytes for MLflow and for us."""

    model: str
    name: str
    method: str
    path: str
    content_type: str | None
    body: bytes
    divergence: str | None
    differs_in: tuple[str, ...]
    """The environments in which our answer differs on purpose."""
    ours: dict[str, Any]
    """Our answer where it differs: ``status`` and ``body`` or ``error_code``; by environment if they differ."""

    @property
    def id(self) -> str:
        return f"{self.model}: {self.name}"

    @property
    def form(self) -> str:
        """One of the data keys, ``llm``, ``csv``, ``parquet``, ``bare`` (as MLflow 1 took it), or ``broken``: none of these."""
        kind = (self.content_type or "").partition(";")[0].strip().lower()
        if kind in ("text/csv", "application/csv", PARQUET):
            return "parquet" if kind == PARQUET else "csv"
        try:
            document = json.loads(self.body)
        except ValueError:
            return "broken"
        if isinstance(document, list):
            return "bare" if document and all(isinstance(item, (list, dict)) for item in document) else "broken"
        if not isinstance(document, dict):
            return "broken"
        if document.keys() & {"messages", "prompt", "input"}:
            return "llm"
        keys = [key for key in KEYS if key in document]
        if keys:
            return keys[0] if len(keys) == 1 else "broken"
        return "bare" if document.keys() >= {"columns", "data"} else "broken"

    def request(self) -> dict[str, Any]:
        """The request as plain JSON, for another process."""
        return {
            "id": self.id,
            "model": self.model,
            "method": self.method,
            "path": self.path,
            "headers": self.headers(),
            "body": base64.b64encode(self.body).decode(),
        }

    def headers(self) -> dict[str, str]:
        return {} if self.content_type is None else {"content-type": self.content_type}

    def expected_of_us(self, environment: str) -> dict[str, Any] | None:
        """Our own answer, where this case names a divergence; None: answer as MLflow does."""
        if environment not in self.differs_in:
            return None
        return dict(self.ours.get(environment, self.ours))


def read_cases() -> list[Case]:
    return [read_case(entry) for file in sorted(CASES.glob("*.json")) for entry in json.loads(file.read_text())]


def read_case(entry: dict[str, Any]) -> Case:
    body = read_body(entry)
    divergence = entry.get("divergence")
    return Case(
        model=entry["model"],
        name=entry["name"],
        method=entry.get("method", "POST"),
        path=entry.get("path", "/invocations"),
        content_type=entry.get("content_type", "application/json" if body is not None else None),
        body=body or b"",
        divergence=divergence,
        differs_in=tuple(entry.get("only", ENVIRONMENTS)) if divergence else (),
        ours=entry.get("ours", {}),
    )


def read_body(entry: dict[str, Any]) -> bytes | None:
    if "json" in entry:
        return json.dumps(entry["json"], ensure_ascii=False).encode()
    if "text" in entry:
        return str(entry["text"]).encode()
    if "base64" in entry:
        return base64.b64decode(entry["base64"])
    if "tensor" in entry:
        return json.dumps({entry.get("key", "inputs"): numbers(entry["tensor"])}).encode()
    if "parquet" in entry:
        return parquet_body(entry["parquet"]["columns"], entry["parquet"].get("types", {}))
    return None


def parquet_body(columns: dict[str, list[Any]], types: dict[str, str]) -> bytes:
    """A Parquet file of these columns; text becomes moments or bytes where the type says so."""
    import pyarrow as arrow
    import pyarrow.parquet

    arrays = [array_of(values, types.get(name)) for name, values in columns.items()]
    body = io.BytesIO()
    pyarrow.parquet.write_table(arrow.table(arrays, names=list(columns)), body)
    return body.getvalue()


def array_of(values: list[Any], type_name: str | None) -> Any:
    import pyarrow as arrow

    if type_name is None:
        return arrow.array(values)
    if type_name == "dictionary":
        return arrow.array(values).dictionary_encode()
    unit, _, zone = type_name.removeprefix("timestamp[").rstrip("]").partition(", tz=")
    item = type_name.removeprefix("list<").rstrip(">")
    if type_name.startswith("timestamp["):
        naive = arrow.array(values, arrow.string()).cast(arrow.timestamp(unit))
        return naive.cast(arrow.timestamp(unit, zone)) if zone else naive
    if type_name.startswith("list<"):
        return arrow.array(values, arrow.list_(arrow.type_for_alias(item)))
    kind = arrow.type_for_alias(type_name)
    is_text = any(isinstance(value, str) for value in values)
    return arrow.array(values, arrow.string()).cast(kind) if is_text else arrow.array(values, kind)


def numbers(shape: list[int], start: int = 0) -> Any:
    """Nested lists of that shape, filled with a fixed sequence between 0 and 1."""
    if not shape:
        return start * 37 % 101 / 101
    size = 1
    for length in shape[1:]:
        size *= length
    return [numbers(shape[1:], start + at * size) for at in range(shape[0])]
