"""One Python value against one scalar type: the rule for nested values and params, and for naming the cell to blame.

Needs no library, except pandas for the value of a ``datetime``.
"""

import datetime
import re
import struct
from decimal import Decimal
from typing import Any, Callable, Dict, Optional

from modelport_runtime.policy import Policy

MAX_TEXT = 100
"""No more characters than this of a value or a type appear in a message."""

INTEGER_RANGES = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}

ISO_DATETIME = re.compile(
    r"(\d{4}(-\d\d(-\d\d)?)?|\d{8})([T ]\d\d(:?\d\d(:?\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
)
"""What is read as a moment in time: ISO 8601, with or without a zone. (Not what a free parser makes of "10".)"""


class Misfit(Exception):
    """A value, or a whole column, that does not fit its type.

    ``row`` is the position of the cell to blame, ``path`` leads to the place inside a nested cell (``.price[2]``),
    ``expected`` is the type asked for at that place if it is not the column's own.
    """

    def __init__(
        self,
        found: str,
        *,
        row: Optional[int] = None,
        path: str = "",
        expected: Optional[str] = None,
        hint: Optional[str] = None,
    ) -> None:
        super().__init__(found)
        self.found = found
        self.row = row
        self.path = path
        self.expected = expected
        self.hint = hint

    def inside(self, step: str) -> "Misfit":
        """The same misfit seen from one level further out."""
        self.path = step + self.path
        return self


def shorten(text: str) -> str:
    """At most ``MAX_TEXT`` characters of a text."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def is_missing(value: Any) -> bool:
    """Whether a single value stands for "no value": None, NaN, NaT, NA."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return True
    return isinstance(value, float) and value != value


_TYPE_NAMES = ((bool, "boolean"), (int, "long"), (float, "double"), (str, "string"), (bytes, "binary"))


def describe(value: Any) -> str:
    """A value for people: the name of its type as signatures spell it, and a short look at it."""
    if is_missing(value):
        return "null"
    value = unwrap(value)
    for python_type, name in _TYPE_NAMES:
        if isinstance(value, python_type):
            return shorten(f"{name} {_short_repr(value)}")
    if isinstance(value, datetime.date):
        return f"{type(value).__name__} {value.isoformat()}"
    return shorten(f"{type(value).__name__} {value}") if isinstance(value, Decimal) else type(value).__name__


def _short_repr(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 1024:
        return f"of {value.bit_length()} bits"  # Python refuses to print integers of thousands of digits
    # Cut before repr: the repr of a megabyte is not worth making.
    return repr(value[:MAX_TEXT] if isinstance(value, (str, bytes)) else value)


def unwrap(value: Any) -> Any:
    """The builtin value of a numpy scalar (or 0-d array); any other value as it is. ``datetime64`` stays."""
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 and value.dtype.kind != "M":
        return value.item()
    return value


def builtin(value: Any, name: str, policy: Policy) -> Any:
    """``value`` as the builtin Python value of scalar type ``name`` (a ``pandas.Timestamp`` for datetime).

    Never null: whether null is allowed is for the caller to know. Raises ``Misfit``.
    """
    return _CONVERTERS[name](unwrap(value), name, policy)


def _boolean(value: Any, name: str, policy: Policy) -> Any:
    if isinstance(value, bool):
        return value
    raise Misfit(describe(value))


def _integer(value: Any, name: str, policy: Policy) -> Any:
    whole = value
    if policy.strict and isinstance(value, (float, Decimal)) and value == value and value % 1 == 0:
        whole = int(value)
    if not isinstance(whole, int) or isinstance(whole, bool):
        raise Misfit(describe(value))
    lowest, highest = INTEGER_RANGES[name]
    if not lowest <= whole <= highest:
        raise Misfit(f"{describe(value)} (out of range)")
    return whole


def _floating(value: Any, name: str, policy: Policy) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Misfit(describe(value))
    try:
        number = float(value)
        if name == "float":
            number = struct.unpack("<f", struct.pack("<f", number))[0]
    except (OverflowError, ValueError):
        raise Misfit(f"{describe(value)} (out of range)") from None
    if policy.strict and isinstance(value, int) and int(number) != value:
        raise Misfit(f"{describe(value)} (not exact as {name})")
    return number


def _string(value: Any, name: str, policy: Policy) -> Any:
    if isinstance(value, str):
        return value
    if policy.strict and isinstance(value, int) and not isinstance(value, bool):
        return value  # text keeps a number as it was sent
    raise Misfit(describe(value))


def _binary(value: Any, name: str, policy: Policy) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8")
    raise Misfit(describe(value))


def _is_datetime64(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "M" and value.ndim == 0


def _datetime(value: Any, name: str, policy: Policy) -> Any:
    import pandas as pd

    arguments: Dict[str, Any] = {}
    if isinstance(value, str):
        if not ISO_DATETIME.fullmatch(value):
            raise Misfit(describe(value))
    elif isinstance(value, int) and not isinstance(value, bool) and policy.strict:
        arguments = {"unit": "ms"}
    elif not isinstance(value, datetime.date) and not _is_datetime64(value):
        raise Misfit(describe(value))
    elif getattr(value, "tzinfo", None) is not None:
        raise Misfit(f"{describe(value)} (only datetimes without a zone fit)")
    try:
        moment = pd.Timestamp(value, **arguments)
        if moment.tzinfo is not None:
            moment = moment.tz_convert("UTC").tz_localize(None)
        return moment.as_unit("ns") if hasattr(moment, "as_unit") else moment
    except (ValueError, OverflowError):
        raise Misfit(f"{describe(value)} (no such moment, or out of range)") from None


_CONVERTERS: Dict[str, Callable[[Any, str, Policy], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": _floating,
    "double": _floating,
    "string": _string,
    "binary": _binary,
    "datetime": _datetime,
}
