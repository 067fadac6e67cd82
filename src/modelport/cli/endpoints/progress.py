"""What goes on while a command waits: on a terminal, after two seconds, one line with state and seconds."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from modelport.cli.endpoints.command import log

PATIENCE = 2.0
"""Seconds after which somebody begins to wonder."""
_ERASE = "\r\x1b[K"


@contextmanager
def progress(what: str) -> Iterator[Callable[[Any, float], None]]:
    """Gives what is to be told the state and the seconds, again and again."""
    is_shown = sys.stderr.isatty() and log.isEnabledFor(logging.WARNING)

    def tell(state: Any, seconds: float) -> None:
        if is_shown and seconds >= PATIENCE:
            sys.stderr.write(f"{_ERASE}{what}: {state}, {seconds:.0f} s")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if is_shown:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
