"""The configuration file of a command: YAML whose keys are the command's flags. A flag and a variable win over it."""

import json
from pathlib import Path
from typing import Any

import typer


def read_into(context: typer.Context, path: str | None) -> str | None:
    """Callback of ``--config``: what the file says becomes the defaults of the command's flags."""
    if path is not None:
        context.default_map = {**(context.default_map or {}), **_defaults(context.command, _read(path))}
    return path


def _read(path: str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"cannot read '{path}': {error.strerror}", param_hint="--config") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"'{path}' is no valid YAML: {' '.join(str(error).split())}"
        raise typer.BadParameter(message, param_hint="--config") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise typer.BadParameter(f"'{path}' holds no map of flags", param_hint="--config")
    return {str(key): value for key, value in content.items()}


def _defaults(command: Any, content: dict[str, Any]) -> dict[str, Any]:
    """The file's keys, spelled as flags without dashes in front, by the names of the command's parameters."""
    flags = {
        option.lstrip("-"): parameter
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and parameter.name not in ("config", "help")
    }
    defaults = {}
    for key, value in content.items():
        spelled = key.replace("_", "-")
        parameter = flags.get(spelled)
        if parameter is None:
            import difflib  # for who misspells

            near = difflib.get_close_matches(spelled, flags, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else f"; there is {', '.join(sorted(flags))}"
            raise typer.BadParameter(f"the file has the unknown key '{key}'{meant}", param_hint="--config")
        defaults[parameter.name] = _as_given(value, parameter)
    return defaults


def _as_given(value: Any, parameter: Any) -> Any:
    """A value as the flag would have it: a map of models as NAME=PATH, any other map as JSON, one value as a list of one."""
    if getattr(parameter, "multiple", False):
        if isinstance(value, dict):
            return [f"{name}={item}" for name, item in value.items()]
        return value if isinstance(value, list) else [value]
    return json.dumps(value) if isinstance(value, dict) else value
