"""A log that grows, of which only the last lines can be asked for."""

import time
from collections.abc import Callable

import typer

PAUSE = 1.0


def follow(shown: str, last_lines: Callable[[], str]) -> None:
    """Print what is written after ``shown``, which was the answer of ``last_lines`` before, until somebody interrupts."""
    try:
        while True:
            time.sleep(PAUSE)
            now = last_lines()
            typer.echo(added(shown, now), nl=False)
            shown = now
    except KeyboardInterrupt:
        return


def added(before: str, now: str) -> str:
    """What ``now`` has after ``before``, whose first lines it may have lost; all of it, if nothing is common."""
    if now.startswith(before):
        return now[len(before) :]
    seen = before.splitlines(keepends=True)
    lines = now.splitlines(keepends=True)
    for count in range(min(len(seen), len(lines)), 0, -1):
        if seen[-count:] == lines[:count]:
            return "".join(lines[count:])
    return now
