"""Which of several gets a request, by percentages."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate


class Shares:
    """Positions by their shares; a share of 0 gets nothing."""

    def __init__(self, percents: Sequence[int]) -> None:
        self._positions = [position for position, percent in enumerate(percents) if percent > 0]
        total = sum(percents[position] for position in self._positions)
        self._edges = [edge / total for edge in accumulate(percents[position] for position in self._positions)]
        self.only = self._positions[0] if len(self._positions) == 1 else None
        """The one that gets everything, so that nothing has to be drawn."""

    @property
    def empty(self) -> bool:
        """Nobody gets anything."""
        return not self._positions

    def at(self, place: float) -> int:
        """Who gets the request that fell on this place, from 0 to just below 1."""
        return self._positions[bisect(self._edges, place)]
