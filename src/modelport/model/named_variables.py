"""The environment variables that a model asks for: by ``env_vars`` of its MLmodel file and by ``environment_variables.txt``."""

from pathlib import Path
from typing import Any

VARIABLES_FILE = "environment_variables.txt"


def named_variables(folder: Path, mlmodel: dict[str, Any]) -> dict[str, str | None]:
    """Name → the value that the model gives it for where it is not set, mostly none. Lines with ``#`` are comments."""
    try:
        lines = (folder / VARIABLES_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    listed = mlmodel.get("env_vars")
    found: dict[str, str | None] = {str(name): None for name in listed} if isinstance(listed, list) else {}
    for line in lines:
        name, gives, value = line.strip().partition("=")
        name = name.strip()
        if name and not name.startswith("#"):
            found[name] = value.strip() if gives else found.get(name)
    return dict(sorted(found.items()))
