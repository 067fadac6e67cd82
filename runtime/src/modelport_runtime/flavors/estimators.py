"""What may be done with a scikit-learn estimator's input without changing its answers.

Judged on the whole object: every estimator, helper and function that can be reached from it.
"""

import copy
import functools
import logging
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from modelport_runtime.data_types import Scalar
from modelport_runtime.schema import Schema

ROW_WISE_LIBRARIES = frozenset({"sklearn", "xgboost", "lightgbm", "catboost", "imblearn"})
"""Libraries whose every ``predict`` treats each row by itself."""
_NUMERIC = frozenset(
    {"numpy", "scipy", "builtins", "collections", "_loss"}
)  # `_loss`: how old scikit-learn names its own
_BY_NAME = frozenset({"ColumnTransformer", "make_column_selector", "FunctionTransformer"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArrayEstimator:
    """A copy that does not ask for column names (it shares all fitted arrays), and the columns it expects, in order."""

    estimator: Any
    columns: Tuple[str, ...]


def is_row_wise(estimator: Any, function: str) -> bool:
    """Whether each row's prediction depends on that row alone: every part belongs to a library that keeps to it."""
    if function != "predict" and isinstance(getattr(estimator, "classes_", None), list):
        return False  # several outputs: a list of arrays, which cannot be split by rows
    return all(_keeps_to_rows(part) for part in parts(estimator))


def for_arrays(estimator: Any, function: str, schema: Optional[Schema]) -> Optional[ArrayEstimator]:
    """The estimator to call with float64 arrays; None where an array could be answered otherwise than a frame.

    That is so unless all columns are doubles, named as at fitting, every part is scikit-learn's own, and none selects
    columns by name or hands frames on. Two trial rows are predicted both ways.
    """
    if schema is None or not schema.columns or not schema.has_names:
        return None
    if any(spec.type != Scalar("double") or not spec.required for spec in schema.columns):
        return None
    columns = tuple(str(name) for name in schema.names)
    fitted = getattr(estimator, "feature_names_in_", None)
    if columns != schema.names or (fitted is not None and tuple(fitted) != columns):
        return None
    if not all(_takes_arrays(part) for part in parts(estimator)):
        return None
    try:
        bare = _without_names(estimator, {})
        same = _same_answer(getattr(estimator, function), getattr(bare, function), columns)
    except Exception as error:  # noqa: BLE001  the trial rows may be outside of what the model can predict
        log.debug("no array path: %r", error)
        return None
    return ArrayEstimator(bare, columns) if same else None


def parts(root: Any) -> Iterator[Any]:
    """Every object inside an estimator that is more than a value, itself first: estimators, helpers and functions.

    Found through attributes and containers, so that private parts (a transformer that an estimator made for itself) and
    the fitted members of ensembles are seen as well as parameters.
    """
    seen: Dict[int, Any] = {}  # holds what was seen, for an id may be given again to what comes later
    stack: List[Any] = [root]
    while stack:
        value = stack.pop()
        if value is None or isinstance(value, (str, bytes, int, float, complex, slice, type)) or id(value) in seen:
            continue
        seen[id(value)] = value
        contained = _contained(value)
        if contained is None:
            if _is_value(value):
                continue
            yield value
            contained = list(getattr(value, "__dict__", {}).values())
            if isinstance(value, functools.partial):
                contained += [value.func, *value.args, *value.keywords.values()]
        stack.extend(contained)


def _contained(value: Any) -> Optional[List[Any]]:
    """A container's members; None when the value is no container."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if getattr(getattr(value, "dtype", None), "kind", None) == "O" and hasattr(value, "ravel"):
        return list(value.ravel())
    return None


def _is_value(value: Any) -> bool:
    # Arrays, sparse matrices, numpy scalars, dtypes, random states: data, whatever made them.
    return _library(type(value)) in ("numpy", "scipy") and not callable(value)


def _library(thing: Any) -> str:
    return (getattr(thing, "__module__", None) or "builtins").split(".")[0]


def _is_function(part: Any) -> bool:
    return callable(part) and hasattr(part, "__name__") and not hasattr(part, "fit")


def _keeps_to_rows(part: Any) -> bool:
    if _is_function(part):
        return _library(part) in ROW_WISE_LIBRARIES | _NUMERIC
    if type(part).__name__ == "FunctionTransformer":
        # numpy's universal functions work element by element; others (sort, cumsum) may look at several rows.
        return part.func is None or type(part.func).__name__ == "ufunc"
    return _library(type(part)) in ROW_WISE_LIBRARIES | _NUMERIC | {"functools"}


def _takes_arrays(part: Any) -> bool:
    if _is_function(part):
        return _library(part) in {"sklearn"} | _NUMERIC
    output = getattr(part, "__dict__", {}).get("_sklearn_output_config") or {}
    return (
        _library(type(part)) in {"sklearn", "functools"} | _NUMERIC
        and type(part).__name__ not in _BY_NAME
        and output.get("transform") in (None, "default")
    )


def _without_names(value: Any, done: Dict[int, Any]) -> Any:
    """The value, or a shallow copy where it or something inside was fitted with column names.

    The original keeps its names: the user sees it, and frames are still predicted by it. An estimator without names
    takes arrays silently, where one with names would warn at every call.
    """
    if id(value) in done:
        return done[id(value)]
    done[id(value)] = value
    if isinstance(value, (list, tuple)):
        members = [_without_names(member, done) for member in value]
        if _changed(members, value):
            done[id(value)] = type(value)(members)
    elif isinstance(value, dict):
        members = [_without_names(member, done) for member in value.values()]
        if _changed(members, value.values()):
            done[id(value)] = copy.copy(value)  # keeps the kind: scikit-learn has dictionaries of its own
            done[id(value)].update(zip(value, members))
    elif _library(type(value)) == "sklearn" and hasattr(value, "__dict__"):
        state = {name: _without_names(member, done) for name, member in vars(value).items()}
        named = state.pop("feature_names_in_", None) is not None
        if named or _changed(state.values(), vars(value).values()):
            twin = object.__new__(type(value))
            twin.__dict__.update(state)
            done[id(value)] = twin
    return done[id(value)]


def _changed(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return any(a is not b for a, b in zip(new, old))


def _same_answer(with_names: Callable[[Any], Any], without: Callable[[Any], Any], columns: Tuple[str, ...]) -> bool:
    import numpy as np
    import pandas as pd

    rows = np.vstack([np.zeros(len(columns)), np.ones(len(columns))])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        expected = np.asarray(with_names(pd.DataFrame(rows, columns=list(columns))))
        caught.clear()
        found = np.asarray(without(rows))
    if any("feature names" in str(warning.message) for warning in caught):
        return False
    if expected.dtype != found.dtype or expected.shape != found.shape:
        return False
    if expected.dtype.kind == "f":
        return bool(np.allclose(expected, found, rtol=1e-9, atol=1e-12, equal_nan=True))
    return bool(np.array_equal(expected, found))
