"""When two answers are the same: a matrix product adds in the order in which its data happens to lie."""

import math
from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether the answers agree; numbers may differ in the last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)
