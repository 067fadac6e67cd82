"""Before something is deleted: a question on a terminal, a refusal elsewhere."""

import sys

import typer

from modelport.errors import InvalidInput


def confirm(question: str, yes: bool) -> None:
    """Go on only if it is wanted.

    Raises:
        InvalidInput: there is nobody to ask, and no ``--yes``.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"{question} There is no terminal to ask on", hint="--yes does it without asking.")
    typer.confirm(question, abort=True)
