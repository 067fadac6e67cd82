"""Sizes of instances: how many cores a worker's libraries use, and how much memory it may take."""

import difflib
from dataclasses import dataclass

from modelport.errors import InvalidInput

GIB = 1 << 30


@dataclass(frozen=True)
class InstanceType:
    """``cpus`` for the threads of its libraries; ``memory`` in bytes, beyond which it is replaced."""

    cpus: int
    memory: int


INSTANCE_TYPES = {
    "tiny": InstanceType(1, 1 * GIB),
    "small": InstanceType(1, 2 * GIB),
    "medium": InstanceType(2, 4 * GIB),
    "large": InstanceType(4, 8 * GIB),
    "xlarge": InstanceType(8, 16 * GIB),
    "defaultinstancetype": InstanceType(2, 2 * GIB),
    "standard_ds1_v2": InstanceType(1, 3584 << 20),
    "standard_ds2_v2": InstanceType(2, 7 * GIB),
    "standard_ds3_v2": InstanceType(4, 14 * GIB),
    "standard_ds4_v2": InstanceType(8, 28 * GIB),
    "standard_ds5_v2": InstanceType(16, 56 * GIB),
    "standard_e2s_v3": InstanceType(2, 16 * GIB),
    "standard_e4s_v3": InstanceType(4, 32 * GIB),
    "standard_e8s_v3": InstanceType(8, 64 * GIB),
    "standard_f2s_v2": InstanceType(2, 4 * GIB),
    "standard_f4s_v2": InstanceType(4, 8 * GIB),
    "standard_f8s_v2": InstanceType(8, 16 * GIB),
    "standard_f16s_v2": InstanceType(16, 32 * GIB),
}
"""In lower case; Azure's names have the sizes of their machines."""


def instance_type(name: str) -> InstanceType:
    """The size of that name.

    Raises:
        InvalidInput: there is none.
    """
    found = INSTANCE_TYPES.get(name.lower())
    if found is None:
        near = difflib.get_close_matches(name.lower(), INSTANCE_TYPES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There is {', '.join(INSTANCE_TYPES)}."
        raise InvalidInput(f"there is no instance type {name!r}", hint=hint)
    return found
