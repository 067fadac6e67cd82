"""How much a body may grow while it is decoded."""

from collections.abc import Iterator
from typing import Any

from modelport_runtime.errors import InvalidInput

MAX_PACKED = 1 << 31
"""Bytes of a packed table: its offsets end there."""


class Limit:
    """How much a body may still grow while it is decoded."""

    def __init__(self, max_bytes: int = MAX_PACKED) -> None:
        self._max_bytes = max_bytes
        self.left = max_bytes

    def check(self, size: int) -> None:
        """Raise InvalidInput (REQUEST_TOO_LARGE) where ``size`` more bytes would be too many."""
        if size > self.left:
            raise InvalidInput(
                f"The body decodes to more than the limit of {self._max_bytes} bytes; send fewer rows at a time.",
                code="REQUEST_TOO_LARGE",
            )

    def spend(self, size: int) -> None:
        """As ``check``, and those bytes are used up."""
        self.check(size)
        self.left -= size


def within(limit: Limit, batches: Any) -> Iterator[Any]:
    """The batches, each looked over, as long as they keep to the limit together."""
    import pyarrow as pa

    size = 0
    for batch in batches:
        batch.validate(full=True)
        for column in batch.columns:
            size += column.indices.nbytes if pa.types.is_dictionary(column.type) else column.nbytes
        limit.check(max(size, batch.num_rows))
        yield batch
