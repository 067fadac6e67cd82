"""How many refusals of a user are written down: enough to see them, not so many that they fill the store."""

import threading
import time
from collections import deque

MINUTE = 60.0
NOTED = 10
"""Of a user in a minute."""


class Refusals:
    """Of all users; safe to use from several threads."""

    def __init__(self) -> None:
        self._noted: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def is_noted(self, who: str) -> bool:
        """Whether one more of this user is to be written down now."""
        now = time.monotonic()
        with self._lock:
            recent = self._noted.setdefault(who, deque())
            while recent and now - recent[0] >= MINUTE:
                recent.popleft()
            if len(recent) >= NOTED:
                return False
            recent.append(now)
            return True
