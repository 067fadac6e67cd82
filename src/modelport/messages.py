"""JSON lines: how our own processes speak to one another, on sockets that children inherit."""

import json
from typing import Any

MAX_LINE = 1 << 28
"""Bytes of a line: it may hold the MLmodel files of all models."""


def message_line(**message: Any) -> bytes:
    """A message as it crosses."""
    return json.dumps(message).encode() + b"\n"
