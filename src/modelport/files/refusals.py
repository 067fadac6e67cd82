"""What a worker refuses, in terms of the file: which line, which column, which value; and rows that are set aside."""

from typing import Any, BinaryIO

import orjson

from modelport.errors import ModelportError
from modelport.files.chunk import Chunk, shown

_SHOWN = 5
"""Offending cells that a message names; the details have all that the worker told."""
_MISFIT_CODES = ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")


def named_rows(error: dict[str, Any], chunk: Chunk) -> list[int]:
    """The rows that the worker's error is about, as far as it says."""
    found = {detail.get("row") for detail in error["details"]}
    rows = sorted(row for row in found if isinstance(row, int) and 0 <= row < chunk.rows())
    if rows or error["code"] not in _MISFIT_CODES or error["details"]:
        return rows
    row, _ = chunk.misread(error["message"])
    return [] if row is None else [row]


def misses_a_column(error: dict[str, Any]) -> bool:
    """Whether a declared column is not there at all, so that no row can fit."""
    return any(detail.get("found") == "missing" and detail.get("row") is None for detail in error["details"])


def refusal(error: dict[str, Any], chunk: Chunk, name: str, rejects: bool) -> ModelportError:
    """The error as it ends the run; ``name`` of the file."""
    details = [_placed(detail, chunk, name) for detail in error["details"]]
    cells = [detail for detail in details if "line" in detail or "row" in detail]
    hint = error["hint"]
    if cells:
        told = [_sentence(detail) for detail in cells[:_SHOWN]]
        more = f" (and {len(cells) - _SHOWN} more)" if len(cells) > _SHOWN else ""
        message = f"{name} does not fit the model's signature: {'; '.join(told)}{more}"
    else:
        row, text = chunk.misread(error["message"])
        place = _range(chunk) if row is None else _place_text(chunk.place(row))
        message = f"{name}, {place}: {text}" if place else f"{name}: {text}"
    if hint is None and not rejects and error["code"] in _MISFIT_CODES and not misses_a_column(error):
        hint = "Rows that do not fit can be set aside with --rejects FILE."
    return ModelportError(message, code=error["code"], hint=hint, details=details, traceback=error["traceback"])


def _placed(detail: dict[str, Any], chunk: Chunk, name: str) -> dict[str, Any]:
    row = detail.get("row")
    rest = {key: value for key, value in detail.items() if key != "row"}
    if not isinstance(row, int) or not 0 <= row < chunk.rows():
        return rest
    value = chunk.value(row, detail.get("column"))
    placed = {"file": name, **chunk.place(row), **rest}
    return placed if value is None else {**placed, "value": shown(value)}


def _sentence(detail: dict[str, Any]) -> str:
    column = f", column {detail['column']!r}" if detail.get("column") is not None else ""
    place: dict[str, Any] = {key: detail[key] for key in ("line", "row") if key in detail}
    value = f" {detail['value']!r}" if "value" in detail else f" {detail.get('found')}"
    return f"{_place_text(place)}{column}: expected {detail.get('expected')}, found{value}"


def _place_text(place: dict[str, Any]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in place.items())


def _range(chunk: Chunk) -> str:
    """From where to where the rows of a chunk stand; nothing of a body that is one request."""
    rows = chunk.rows()
    if rows < 2:
        return _place_text(chunk.place(0)) if rows and chunk.as_it_stood(0) is not None else ""
    first, last = chunk.place(0), chunk.place(rows - 1)
    kind = next(iter(first))
    return f"{kind}s {first[kind]} to {last[kind]}"


class Rejects:
    """The file of rows set aside: one JSON object a line, in the order of the input."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.count = 0

    def write(self, entries: list[dict[str, Any]]) -> None:
        self.count += len(entries)
        for entry in entries:
            self._file.write(orjson.dumps({"file": self._name, **entry}, option=orjson.OPT_APPEND_NEWLINE))


def entry(error: dict[str, Any], chunk: Chunk, row: int) -> dict[str, Any]:
    """What the file of rejects says of a row."""
    details = [
        {key: value for key, value in detail.items() if key != "row"}
        for detail in error["details"]
        if detail.get("row") in (row, None)
    ]
    if details and any(detail.get("row") == row for detail in error["details"]):
        told = (f"column {d.get('column')!r}: expected {d.get('expected')}, found {d.get('found')}" for d in details)
        message = "; ".join(told)
    else:
        _, message = chunk.misread(error["message"])
        told = (f"{d.get('exception')}: {d.get('message')}" for d in details if "exception" in d)
        message = "; ".join([message, *told])
    return {**chunk.place(row), "code": error["code"], "message": message, "input": chunk.as_it_stood(row)}
