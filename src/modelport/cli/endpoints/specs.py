"""What a command is to make or change, of its file and its flags together."""

import json
from typing import Any, TypeVar

import typer

from modelport.cli.endpoints.edits import Edits
from modelport.client.files import read_data, read_spec
from modelport.domain.kind import Kind

K = TypeVar("K", bound=Kind)


def read(kind: type[K], file: str | None, flags: dict[str, Any], edits: Edits) -> K:
    """The object of the file, with the flags that were given over it, and ``--set`` over both.

    Raises:
        NotFound, InvalidInput: there is no such file, or it is none of this kind.
    """
    settings = [f"{key}={json.dumps(value)}" for key, value in flags.items() if value is not None]
    return read_spec(kind, file, [*settings, *edits.settings])


def given(kind: type[Kind], file: str | None, flags: dict[str, Any], *named_by: str) -> dict[str, Any]:
    """The keys that the file has, with the flags that were given over them; those it is found by are among them.

    Raises:
        NotFound, InvalidInput: there is no such file, or it holds no keys.
    """
    data = {} if file is None else {key: value for key, value in read_data(kind, file).items() if key != "$schema"}
    data.update({key: value for key, value in flags.items() if value is not None})
    for key in named_by:
        if not isinstance(data.get(key), str):
            flag = f"--{key.replace('_', '-')}"
            raise typer.BadParameter(f"it is not said which: give {flag}, or a file that has {key}", param_hint=flag)
    return data


def changes(kind: type[Kind], current: Kind, wanted: dict[str, Any], edits: Edits) -> dict[str, Any]:
    """The keys that get another value than ``current`` has; None: the default again.

    Raises:
        InvalidInput: what comes out is none of this kind.
    """
    before = current.model_dump(mode="json", include=set(kind.model_fields))
    edited = {key: value for key, value in edits.applied({**before, **wanted}).items() if value is not None}
    after = kind.read(edited, f"the change of this {kind.NOUN}").model_dump(mode="json")
    return {key: after[key] if key in edited else None for key in after if after[key] != before[key]}
