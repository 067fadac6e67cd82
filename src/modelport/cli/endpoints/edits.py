"""``--set``, ``--add``, ``--remove``: an object's file as it would be with them."""

import copy
import json
import re
from dataclasses import dataclass
from typing import Any

import typer


@dataclass(frozen=True)
class Edits:
    """In this order. Values are JSON where they can be, unless ``force_string``."""

    set: list[str] | None = None
    add: list[str] | None = None
    """Each a path and what is added there, as ``arguments.arranged`` puts them together."""
    remove: list[str] | None = None
    force_string: bool = False

    @property
    def settings(self) -> list[str]:
        """Those of ``--set``, places of lists spelled ``a.0`` where they were ``a[0]``."""
        return [
            _dotted(path) + equals + text for path, equals, text in (each.partition("=") for each in self.set or [])
        ]

    def applied(self, data: dict[str, Any]) -> dict[str, Any]:
        """A copy of ``data`` with them done.

        Raises:
            InvalidInput: one is no setting, or leads nowhere.
        """
        from modelport.client.files import apply_settings

        data = apply_settings(copy.deepcopy(data), self.settings, force_string=self.force_string)
        for group in self.add or []:
            self._add(data, *json.loads(group))
        for group in self.remove or []:
            _remove(data, *json.loads(group))
        return data

    def _add(self, data: dict[str, Any], path: str, *texts: str) -> None:
        from modelport.client.files import apply_settings

        if not texts:
            raise typer.BadParameter(f"nothing is given to add to '{path}'", param_hint="--add")
        path = _dotted(path)
        container, key = _place(data, path, "--add")
        there = container.get(key) if isinstance(container, dict) else container[key]
        is_map = all("=" in text and not text.startswith(("{", "[")) for text in texts)
        if is_map and not isinstance(there, list):
            settings = [f"added.{text}" for text in texts]
            container[key] = apply_settings({"added": there or {}}, settings, force_string=self.force_string)["added"]
        elif there is None or isinstance(there, list):
            values = [
                apply_settings({}, [f"added={text}"], force_string=self.force_string)["added"]
                for text in ([json.dumps(dict(text.split("=", 1) for text in texts))] if is_map else texts)
            ]
            container[key] = [*(there or []), *values]
        else:
            raise typer.BadParameter(f"'{path}' is no list", param_hint="--add")


def _remove(data: dict[str, Any], path: str, index: str | None = None) -> None:
    container, key = _place(data, _dotted(path) if index is None else f"{_dotted(path)}.{index}", "--remove")
    try:
        del container[key]
    except (KeyError, IndexError):
        raise typer.BadParameter(f"there is no '{path}' to remove", param_hint="--remove") from None


def _dotted(path: str) -> str:
    return re.sub(r"\[(\d+)\]", r".\1", path)


def _place(data: dict[str, Any], path: str, flag: str) -> tuple[Any, Any]:
    """What ``path`` leads into, and the key or index there."""
    *way, last = path.split(".")
    container: Any = data
    for part in way:
        container = _inside(container, part, path, flag)
    if isinstance(container, list):
        if not re.fullmatch(r"-?\d+", last) or not -len(container) <= int(last) < len(container):
            raise typer.BadParameter(f"'{path}': it has {len(container)} items, from 0", param_hint=flag)
        return container, int(last)
    if not isinstance(container, dict):
        raise typer.BadParameter(f"'{path}' leads through a value that has no keys", param_hint=flag)
    return container, last


def _inside(container: Any, part: str, path: str, flag: str) -> Any:
    try:
        return container[int(part)] if isinstance(container, list) else container[part]
    except (KeyError, IndexError, ValueError, TypeError):
        raise typer.BadParameter(f"'{path}': there is no '{part}'", param_hint=flag) from None
