"""One request on its way through a pool, and an answer that comes bit by bit."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a link is made of calls
    from modelport.workers.link import Link


class Call:
    """One request on its way through the pool; ``on_done(call)`` is called exactly once, unless it is cancelled."""

    # Most calls keep most of these, and setting them for each call costs more than all the rest of it.
    id = 0
    deadline = 0.0
    wait_until = 0.0
    """When it is refused if no worker was given it; 0: never."""
    link: "Link | None" = None
    sent_at = 0.0
    started = False
    alone = False
    abandoned = False
    stream: "Stream | None" = None
    """Set where the answer is to come bit by bit, before ``on_done``."""
    answer = b""
    facts: Mapping[str, Any] = MappingProxyType({})
    """What the worker says of the answer: rows, phases (microseconds), joined."""
    error: dict[str, Any] | None = None

    def __init__(self, head: bytes, body: bytes, on_done: Callable[[Any], None]) -> None:
        self.head = head
        self.body = body
        self.on_done = on_done


class Stream:
    """An answer that comes bit by bit: ``on_piece(data)`` takes each of its pieces."""

    __slots__ = ("on_piece", "owed", "paused", "pieces")

    def __init__(self, on_piece: Callable[[bytes], None]) -> None:
        self.on_piece = on_piece
        self.pieces = 0
        self.owed = 0
        """Pieces that came while it was paused, for which the worker has no credit yet."""
        self.paused = False
        """The client does not keep up: its model waits, and no time-out counts."""
