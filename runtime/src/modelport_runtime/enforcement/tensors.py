"""Tensors against a tensor schema: rank, fixed dimensions, dtype; and columns of a frame as tensors."""

import logging
from typing import Any, Dict, List, Tuple

from modelport_runtime.enforcement.values import Misfit, describe
from modelport_runtime.libraries import loaded
from modelport_runtime.policy import Policy
from modelport_runtime.schema import Schema
from modelport_runtime.specs import TensorSpec

_logger = logging.getLogger(__name__)

Misfits = List[Tuple[TensorSpec, Misfit]]


def enforced_tensors(data: Any, schema: Schema, policy: Policy) -> Tuple[Any, Misfits]:
    """The tensor of an unnamed schema, or a dict of them in the schema's order; and every tensor that does not fit.

    ``data``: ndarray, csr or csc matrix, dict of name → ndarray, DataFrame or Series.
    """
    if _is_a("Series", data):
        data = data.to_frame()
    if not schema.has_names:
        return _unnamed(data, schema.tensors[0], policy)
    return _named(data, schema, policy)


def type_text(spec: TensorSpec) -> str:
    """A tensor's type for people: ``float32(-1, 28, 28)``."""
    return f"{spec.dtype}({', '.join(map(str, spec.shape))})"


def _is_a(kind: str, data: Any) -> bool:
    """Whether the data is of that pandas class; where pandas was not imported nothing is, and it stays that way."""
    pandas = loaded("pandas")
    return pandas is not None and isinstance(data, getattr(pandas, kind))


def _unnamed(data: Any, spec: TensorSpec, policy: Policy) -> Tuple[Any, Misfits]:
    try:
        if _is_a("DataFrame", data):
            return _whole_frame(data, spec, policy), []
        return _tensor(data, spec), []
    except Misfit as misfit:
        return None, [(spec, misfit)]


def _named(data: Any, schema: Schema, policy: Policy) -> Tuple[Any, Misfits]:
    import numpy as np

    if isinstance(data, np.ndarray) and len(schema.specs) == 1:
        data = {schema.names[0]: data}
    if not (isinstance(data, dict) or _is_a("DataFrame", data)):
        wanted = Misfit(f"{_kind_of(data)} instead of named tensors")
        return None, [(spec, wanted) for spec in schema.tensors]
    result: Dict[Any, Any] = {}
    misfits: Misfits = []
    for spec in schema.tensors:
        try:
            if spec.name not in data:
                raise Misfit("missing")
            value = data[spec.name]
            result[spec.name] = _tensor(value, spec) if isinstance(data, dict) else _column(value, spec, policy)
        except Misfit as misfit:
            misfits.append((spec, misfit))
    extra = [str(name) for name in data if name not in schema.names]
    if extra:
        _logger.warning("Ignoring inputs that the model's signature does not have: %s.", ", ".join(extra[:20]))
    return result, misfits


def _kind_of(data: Any) -> str:
    return f"{data.dtype}({', '.join(map(str, data.shape))})" if hasattr(data, "shape") else describe(data)


def _tensor(value: Any, spec: TensorSpec) -> Any:
    """An array or sparse matrix that has the spec's shape and exactly its dtype, unchanged."""
    import numpy as np

    if not isinstance(value, np.ndarray) and (spec.name is not None or not _is_sparse(value)):
        raise Misfit(describe(value))
    dtype = value.dtype
    ragged = dtype.kind == "O" and value.ndim == 1 and -1 in spec.shape[1:]
    if ragged or (spec.dtype == "object" and spec.shape == (-1,)):
        return value  # arrays of different lengths, which numpy can only hold as objects
    same_rank = len(value.shape) == len(spec.shape)
    if not same_rank or any(want not in (-1, size) for want, size in zip(spec.shape, value.shape)):
        raise Misfit(_kind_of(value))
    if _without_size(dtype) != np.dtype(spec.dtype):
        raise Misfit(_kind_of(value))
    return value


def _is_sparse(value: Any) -> bool:
    # A sparse matrix cannot exist unless somebody imported scipy.
    sparse = loaded("scipy.sparse")
    return sparse is not None and sparse.issparse(value) and value.format in ("csr", "csc")


def _without_size(dtype: Any) -> Any:
    import numpy as np

    return np.dtype(dtype.kind) if dtype.kind in "US" else dtype


# -- frames


def _whole_frame(frame: Any, spec: TensorSpec, policy: Policy) -> Any:
    rows, width = frame.shape
    if width == 1:
        return _column(frame.iloc[:, 0], spec, policy)
    if width == 0 or spec.shape != (-1, width):
        raise Misfit(f"a frame of {width} columns")
    if rows == 0:
        return _no_rows(spec, policy)
    return _tensor(frame.to_numpy(), spec)


def _no_rows(spec: TensorSpec, policy: Policy) -> Any:
    import numpy as np

    if not policy.strict:
        raise Misfit("a frame without rows")
    return np.empty((0, *spec.shape[1:]), dtype=spec.dtype)


def _column(values: Any, spec: TensorSpec, policy: Policy) -> Any:
    """A column of scalars, flat lists or arrays (one per row) as one array; numbers are cast to the spec's dtype."""
    import numpy as np

    if spec.shape[:1] != (-1,) or -1 in spec.shape[1:]:
        raise Misfit("a frame column, which can only fill shapes of which just the first dimension is free")
    if len(values) == 0:
        return _no_rows(spec, policy)
    first = values.iloc[0]
    if np.isscalar(first):
        if spec.shape not in ((-1,), (-1, 1)):
            raise Misfit(f"a column of single values such as {describe(first)}")
        return _cast(values.to_numpy(), spec, policy).reshape(spec.shape)
    if isinstance(first, list) and first and np.isscalar(first[0]):
        return _cast(_stacked(values, spec), spec, policy)
    if isinstance(first, np.ndarray):
        stacked = _stacked(values, spec)
        result = _cast(stacked, spec, policy)
        # Arrays, unlike lists, say which type they mean: floats are not cut down to integers.
        if not np.can_cast(stacked.dtype, result.dtype, casting="same_kind") and not (result == stacked).all():
            raise Misfit(f"arrays of {stacked.dtype}")
        return result
    raise Misfit(f"a column of {type(first).__name__} values")


def _stacked(values: Any, spec: TensorSpec) -> Any:
    import numpy as np

    try:
        stacked = np.vstack(values.tolist()).reshape(spec.shape)
    except (ValueError, TypeError):
        stacked = None
    if stacked is None or len(stacked) != len(values):
        raise Misfit("values of different or other lengths")
    return stacked


def _cast(array: Any, spec: TensorSpec, policy: Policy) -> Any:
    import numpy as np

    try:
        with np.errstate(invalid="ignore", over="ignore"):
            result = array.astype(np.dtype(spec.dtype))
            exact = not policy.strict or array.dtype.kind not in "iuf" or result.dtype.kind not in "iu"
            exact = exact or bool((result == array).all())
    except (ValueError, TypeError, OverflowError):
        raise Misfit(f"values of {array.dtype}") from None
    if not exact:
        raise Misfit(f"values of {array.dtype} that {spec.dtype} cannot hold")
    return result
