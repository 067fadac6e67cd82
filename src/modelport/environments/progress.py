"""The stages of a build: a line in the log when each ends, and on a terminal how long the present one has taken."""

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator

log = logging.getLogger("modelport")

_REDRAW = 0.2
"""Seconds between two looks at the clock."""


class Stages:
    """The stages of one build; ``seconds`` says how long each took."""

    def __init__(self, id: str) -> None:
        self._id = id
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str, about: str) -> Iterator[None]:
        """One stage: ``about`` is what it does, as in "resolving 12 requirements"."""
        began = time.monotonic()
        with _clock(f"environment {self._id}: {about}"):
            yield
        self.seconds[name] = round(time.monotonic() - began, 3)
        log.info("environment %s: %s took %.1f s", self._id, about, self.seconds[name])


@contextlib.contextmanager
def _clock(text: str) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def redraw() -> None:
        began = time.monotonic()
        while not done.wait(_REDRAW):
            sys.stderr.write(f"\r\x1b[K{text} … {time.monotonic() - began:.1f} s")
            sys.stderr.flush()
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    thread = threading.Thread(target=redraw, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
