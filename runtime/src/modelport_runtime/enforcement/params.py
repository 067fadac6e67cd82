"""Inference parameters against the params of a signature: checked values and defaults, as builtin Python values.

The same rules read the defaults of an ``MLmodel`` file, so nothing here needs numpy or pandas.
"""

import copy
import datetime
import logging
import re
from typing import Any, Dict, List, Optional, Tuple

from modelport_runtime.data_types import Scalar
from modelport_runtime.enforcement.nested import checker
from modelport_runtime.enforcement.values import Misfit, builtin, describe, shorten, unwrap
from modelport_runtime.errors import MAX_DETAILS, SchemaMismatch
from modelport_runtime.policy import LENIENT, Policy
from modelport_runtime.specs import ParamSpec

_logger = logging.getLogger(__name__)

_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?P<time>[T ](?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?)?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
)


def enforce_params(params: Any, specs: Optional[Tuple[ParamSpec, ...]]) -> Dict[str, Any]:
    """The params to hand to the model: the given ones in their order, then the defaults of the others.

    ``specs`` is None when the signature has no params; whatever is given is then ignored. Unknown names are
    ignored too.
    Raises ``SchemaMismatch`` naming every value that does not fit.
    """
    if specs is None:
        if params:
            _logger.warning("The model's signature has no params; ignoring %s.", _names(params))
        return {}
    given = _as_dict(params)
    by_name = {spec.name: spec for spec in specs}
    unknown = [name for name in given if name not in by_name]
    if unknown:
        _logger.warning("Ignoring params %s; the model has %s.", _names(unknown), _names(by_name))
    result: Dict[str, Any] = {}
    misfits: List[SchemaMismatch] = []
    for name, value in given.items():
        if name not in by_name:
            continue
        try:
            result[name] = checked(value, by_name[name])
        except SchemaMismatch as misfit:
            misfits.append(misfit)
    if misfits:
        raise _invalid(misfits)
    for spec in specs:
        if spec.name not in result:
            # The model may write into what it gets; the next request must not see it.
            result[spec.name] = copy.deepcopy(spec.default)
    return result


def checked(value: Any, spec: ParamSpec) -> Any:
    """One value against its spec (the default in ``spec`` is not looked at). Null fits every scalar.

    Raises ``SchemaMismatch`` with one detail.
    """
    try:
        if spec.shape is None:
            return _single(value, spec)
        items = value.tolist() if getattr(value, "ndim", None) == 1 else value
        if not isinstance(items, list):
            raise Misfit(describe(value))
        return [_at(position, item, spec) for position, item in enumerate(items)]
    except Misfit as misfit:
        expected = misfit.expected or str(spec.type)
        if spec.shape is not None and not misfit.path:
            expected = f"list of {expected}"
        place = spec.name + misfit.path
        message = f"'{shorten(place)}': expected {shorten(expected)}, found {misfit.found}"
        detail = {"param": shorten(place), "expected": shorten(expected), "found": misfit.found}
        raise SchemaMismatch(message, details=[detail]) from None


def _as_dict(params: Any) -> Dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, dict):
        found = describe(params)
        raise SchemaMismatch(
            f"Invalid parameters found: expected an object of names and values, found {found}.",
            details=[{"param": None, "expected": "object", "found": found}],
        )
    return {str(name): value for name, value in params.items()}


def _names(params: Any) -> str:
    return shorten(", ".join(map(repr, params)) if isinstance(params, (dict, list)) else describe(params))


def _invalid(misfits: List[SchemaMismatch]) -> SchemaMismatch:
    texts = [misfit.message for misfit in misfits[:MAX_DETAILS]]
    if len(misfits) > MAX_DETAILS:
        texts.append(f"and {len(misfits) - MAX_DETAILS} more")
    details = [detail for misfit in misfits for detail in misfit.details]
    return SchemaMismatch(f"Invalid parameters found: {'; '.join(texts)}.", details=details)


def _at(position: int, item: Any, spec: ParamSpec) -> Any:
    try:
        return _single(item, spec)
    except Misfit as misfit:
        raise misfit.inside(f"[{position}]") from None


def _single(value: Any, spec: ParamSpec) -> Any:
    if isinstance(spec.type, Scalar):
        return None if value is None else _scalar(value, spec.type.name, LENIENT)
    checker(spec.type, True, LENIENT, leaf=_scalar)(value)
    return value  # objects are checked, but reach the model as they were sent


def _scalar(value: Any, name: str, policy: Policy) -> Any:
    if name == "datetime":
        return _moment(value)
    value = unwrap(value)
    if name in ("integer", "long"):
        # No range: the model gets a Python integer, which does not wrap around.
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise Misfit(describe(value))
    if name in ("float", "double"):
        # Python floats have 64 bits under either name.
        return builtin(value, "double", policy)
    return builtin(value, name, policy)


def _moment(value: Any) -> Any:
    """A date or a datetime without zone, in UTC if a zone was given; parts finer than a microsecond are cut off."""
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":
        value = str(value)  # numpy's own integers are nanoseconds or days, its texts are ISO
        if value == "NaT":
            return None
    if isinstance(value, datetime.datetime):
        return _without_zone(value)
    if isinstance(value, datetime.date):
        return value
    match = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Misfit(describe(value))
    try:
        return _from_parts({name: part for name, part in match.groupdict().items() if part})
    except (ValueError, OverflowError):
        raise Misfit(f"{describe(value)} (no such moment)") from None


def _from_parts(parts: Dict[str, str]) -> Any:
    day = datetime.date(int(parts["year"]), int(parts.get("month", 1)), int(parts.get("day", 1)))
    if "time" not in parts:
        return day
    microsecond = int(parts.get("fraction", "").ljust(6, "0")[:6])
    time = datetime.time(int(parts["hour"]), int(parts.get("minute", 0)), int(parts.get("second", 0)), microsecond)
    moment = datetime.datetime.combine(day, time)
    zone = parts.get("zone", "Z")
    if zone == "Z":
        return moment
    offset = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return moment + offset if zone[0] == "-" else moment - offset


def _without_zone(moment: Any) -> Any:
    if hasattr(moment, "to_pydatetime"):
        moment = moment.floor("us").to_pydatetime()  # a pandas.Timestamp
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
