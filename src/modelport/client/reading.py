"""YAML and JSON files → plain data. A key that stands twice is refused; numbers keep their spelling where they become text."""

import json
from pathlib import Path
from typing import Any

import yaml

from modelport.errors import InvalidInput, NotFound


class _Float(float):
    """A number that, as text, is what was written: version 1.10 is not 1.1."""

    spelled: str

    def __str__(self) -> str:
        return self.spelled


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C one is ten times faster
    """Safe YAML; timestamps stay as they are spelled."""


def _construct_map(loader: Any, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands there twice", key.start_mark
                )
            seen.add(key.value)
    loader.flatten_mapping(node)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    return _as_spelled(loader.construct_yaml_float(node), node.value)


def _as_spelled(value: float, text: str) -> float:
    number = _Float(value)
    number.spelled = text
    return number


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_map)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def read_file(file: str | Path) -> Any:
    """The data in a file: JSON if its name ends so, else YAML.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it cannot be read as what it is.
    """
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"there is no file {str(file)!r}", hint=f"looked for {path.absolute()}") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is no text in UTF-8") from None
    try:
        if path.suffix.lower() == ".json":
            return json.loads(
                text, object_pairs_hook=_once_each, parse_float=lambda digits: _as_spelled(float(digits), digits)
            )
        return yaml.load(text, _Loader)  # a safe loader
    except yaml.YAMLError as error:
        raise InvalidInput(f"{file} is no YAML: {_told(error)}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from None


def _told(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error)
    return f"{getattr(error, 'problem', None) or 'not understood'} (line {mark.line + 1}, column {mark.column + 1})"


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' stands there twice")
        found[key] = value
    return found
