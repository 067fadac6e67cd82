"""Joining the rows of several requests into one prediction, and splitting the result again.

Only data that was decoded and enforced is joined, so every request brings the same columns of the same types, and what one
request sent cannot change how another's values are read.
"""

from typing import Any, Dict, Hashable, List, Optional, Sequence, Tuple

from modelport_runtime.payload.blocks import Block
from modelport_runtime.payload.blocks import join as join_blocks

MAX_JOINED_ROWS = 8192
"""Rows of one joined prediction: enough to spread its fixed cost, small enough to keep the others' wait short."""


class CannotSplit(Exception):
    """The prediction does not have one row for each row of the joined input."""


def row_count(data: Any) -> int:
    """Rows (first dimension) of enforced data; 1 for anything without rows."""
    if isinstance(data, Block):
        return data.rows
    if isinstance(data, dict):
        return max((row_count(value) for value in data.values()), default=0) if data else 0
    shape = getattr(data, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 1
    return len(data) if isinstance(data, (list, tuple)) else 1


def joining_key(data: Any, params: Optional[Dict[str, Any]]) -> Optional[Hashable]:
    """Equal keys may be joined; None may not. Two keys agree in container, columns, dtypes and parameters."""
    shape = _shape_key(data)
    if shape is None:
        return None
    return (shape, repr(params)) if params else shape


def _shape_key(data: Any) -> Optional[Hashable]:
    if isinstance(data, Block):
        return "block"
    kind = type(data).__name__
    if kind == "DataFrame":
        return (kind, tuple(data.columns), tuple(map(str, data.dtypes)))
    if kind == "ndarray":
        return (kind, data.dtype.str, data.shape[1:]) if data.ndim else None
    if isinstance(data, dict):
        parts = [(name, _shape_key(value)) for name, value in data.items()]
        if not parts or any(part is None or part[0] != "ndarray" for _, part in parts):  # type: ignore[index]
            return None
        lengths = {len(value) for value in data.values()}
        return tuple(parts) if len(lengths) == 1 else None
    return None


def join(parts: Sequence[Any]) -> Any:
    """The rows of all parts (of one joining key), one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Block):
        return join_blocks(parts)
    if isinstance(first, dict):
        return {name: join([part[name] for part in parts]) for name in first}
    if type(first).__name__ == "DataFrame":
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    import numpy as np

    return np.concatenate(parts)


def first_row(data: Any) -> Any:
    """The first row of a frame, an array, or a dict of arrays."""
    if isinstance(data, dict):
        return {name: value[:1] for name, value in data.items()}
    return data.iloc[:1] if type(data).__name__ == "DataFrame" else data[:1]


def split(prediction: Any, sizes: List[int]) -> List[Any]:
    """The prediction of a joined input, cut into the share of each request.

    Raises:
        CannotSplit: the prediction does not have exactly one row per input row.
    """
    bounds, start = [], 0
    for size in sizes:
        bounds.append((start, start + size))
        start += size
    return _cut(prediction, bounds, start)


def _cut(prediction: Any, bounds: List[Tuple[int, int]], total: int) -> List[Any]:
    kind = type(prediction).__name__
    if isinstance(prediction, dict):
        if not prediction:
            raise CannotSplit
        shares = {name: _cut(value, bounds, total) for name, value in prediction.items()}
        return [{name: share[position] for name, share in shares.items()} for position in range(len(bounds))]
    if kind in ("DataFrame", "Series"):
        if len(prediction) != total:
            raise CannotSplit
        return [prediction.iloc[start:end] for start, end in bounds]
    if isinstance(prediction, list) or (kind == "ndarray" and prediction.ndim):
        if len(prediction) != total:
            raise CannotSplit
        if kind == "ndarray" and prediction.dtype.kind in "fiub" and prediction.dtype.itemsize <= 8:
            prediction = prediction.tolist()  # once for all: lists are written faster than many small arrays
        return [prediction[start:end] for start, end in bounds]
    raise CannotSplit


def same_predictions(joined: Any, alone: Any) -> bool:
    """Whether a share of a joined prediction equals the prediction made alone: labels equal, floats within 1e-6."""
    import numpy as np

    if isinstance(joined, dict):
        return joined.keys() == alone.keys() and all(same_predictions(joined[name], alone[name]) for name in joined)
    left, right = np.asarray(joined), np.asarray(alone)
    if left.shape != right.shape:
        return False
    if left.dtype.kind in "fc":
        return bool(np.allclose(left, right, rtol=1e-6, atol=1e-6, equal_nan=True))
    return bool(np.array_equal(left, right))
