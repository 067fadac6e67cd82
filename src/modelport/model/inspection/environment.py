"""The environment a model would run in: this interpreter's or another's; and the variables the model asks for."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart
from modelport.model.inspection.report import Variable
from modelport.model.named_variables import named_variables
from modelport_runtime import distributions

TIMEOUT = 30
"""Seconds an interpreter has to say what is installed; 0.1 is usual."""


def describe(python: str | None, names: Iterable[str]) -> dict[str, Any]:
    """What ``modelport_runtime.distributions.describe`` says in the interpreter ``python`` (None: this one).

    Raises:
        CannotStart: there is no such interpreter, or none that can say it.
    """
    if python is None:
        return distributions.describe(names)
    command = [python, "-I", "-B", str(distributions.__file__), *names]
    try:
        told = subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT).stdout
        return json.loads(told)  # type: ignore[no-any-return]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        output = getattr(error, "stderr", None) or str(error).encode()
        raise CannotStart(
            f"'{python}' is no Python interpreter that can be asked: {output.decode(errors='replace').strip()[-300:]}",
            hint="--python names the interpreter of the model, Python 3.8 or later.",
        ) from None


def interpreter(python: str | None) -> str:
    return python or sys.executable


def variables(folder: Path, mlmodel: dict[str, Any]) -> tuple[Variable, ...]:
    """Those that the MLmodel file and ``environment_variables.txt`` name."""
    named = named_variables(folder, mlmodel)
    return tuple(Variable(name, value is not None or name in os.environ) for name, value in named.items())
