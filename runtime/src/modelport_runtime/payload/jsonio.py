"""JSON as Python's own ``json`` understands it, at the speed of a private orjson where the interpreter has one.

Both ways give the same values and, once parsed, the same documents. This module never imports the orjson of a model's
own environment: its version is not ours to know.
"""

import importlib
import json
from typing import Any

from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import plain


def _private_orjson() -> Any:
    try:
        return importlib.import_module("modelport_runtime._vendor.orjson")
    except ImportError:
        return None


_orjson = _private_orjson()


def _shape_table() -> bytes:
    """Every digit and minus becomes ``0``; all that may stand before a number becomes a comma."""
    table = bytearray(range(256))
    for byte in b"-0123456789":
        table[byte] = ord("0")
    for byte in b",:[ \t\r\n":
        table[byte] = ord(",")
    return bytes(table)


_SHAPE = _shape_table()
_LONG_NUMBER = b"," + b"0" * 20
"""The shape of 20 digits, or a minus and 19: the shortest integers that do not fit 64 bits."""


def library() -> str:
    """Which library reads and writes: ``orjson 3.x`` or ``json``."""
    return f"orjson {_orjson.__version__}" if _orjson is not None else "json"


def loads(data: bytes, exact: bool = True) -> Any:
    """The value of a JSON document in UTF-8 (a byte order mark and ``NaN``, ``Infinity`` are accepted).

    Where ``exact`` is not asked for, integers beyond 64 bits may come as floats: looking for them costs a third of reading.

    Raises InvalidInput, naming the position, for whatever is no JSON.
    """
    if _orjson is None:
        return _loads_exactly(data)
    try:
        value = _orjson.loads(data)
    except ValueError:
        return _loads_exactly(data)
    return _loads_exactly(data) if exact and _has_long_integer(data) else value


def _has_long_integer(data: bytes) -> bool:
    """Whether the document may hold an integer beyond 64 bits, which orjson would read as a float.

    Looking for their shape in the whole document costs about 1 ns per byte; digits after a point have another shape.
    """
    shape = data.translate(_SHAPE)
    # Searching from the right skips ahead where ``in`` does not: a quarter of its time on lists of numbers.
    return shape.rfind(_LONG_NUMBER) >= 0 or shape.startswith(_LONG_NUMBER[1:])


def _loads_exactly(data: bytes) -> Any:
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        if not data.strip():
            raise InvalidInput("The body is empty; expected a JSON document.") from None
        raise InvalidInput(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The body is not valid UTF-8: {error.reason} at byte {error.start}.") from None
    except RecursionError:
        raise InvalidInput("The body is nested too deeply.") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InvalidInput(f"The body holds a number that cannot be read: {error}") from None


def dumps(value: Any) -> bytes:
    """A valid JSON document for any value: ``plain`` says what becomes of what JSON does not know; NaN becomes null.

    Raises ValueError only for a value that contains itself or is nested beyond all reason.
    """
    try:
        if _orjson is None:
            return json.dumps(value, default=plain.repeatable_step, allow_nan=False, separators=(",", ":")).encode()
        # Dates and dataclasses are written by ``plain``, so that both libraries write the same.
        options = _orjson.OPT_PASSTHROUGH_DATETIME | _orjson.OPT_PASSTHROUGH_DATACLASS
        encoded: bytes = _orjson.dumps(value, _orjson_step, options)
        return encoded
    except (TypeError, ValueError, RecursionError):
        pass  # a key that is no text, a NaN or an integer above 64 bits, a lone surrogate, an iterator, ...
    try:
        return json.dumps(plain.deep(value), allow_nan=False, separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("nested too deeply for JSON, or contains itself") from None


def _orjson_step(value: Any) -> Any:
    """What orjson asks for a value it does not know: arrays of numbers at once, all else as ``plain`` has it."""
    numbers = plain.number_array(value)
    if numbers is None:
        return plain.repeatable_step(value)
    return _orjson.Fragment(_orjson.dumps(numbers, None, _orjson.OPT_SERIALIZE_NUMPY))
