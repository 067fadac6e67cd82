"""How many calls are open in all scoring processes together."""


class Tally:
    """Each process writes a cell of its own in memory that they share, and reads all of them: nobody waits for anybody, and two
    calls that come to two processes at the same moment may not see each other."""

    def __init__(self, cells: "memoryview[float]", own: int) -> None:
        self._cells = cells
        self._own = own
        self._here = 0
        self.add(0)  # what is there is of a process before this one, which died

    def add(self, number: int) -> None:
        """So many more are open here."""
        self._here += number
        self._cells[self._own] = self._here

    @property
    def total(self) -> int:
        """Open in all processes."""
        return int(sum(self._cells))
