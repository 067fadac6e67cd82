"""The MLmodel file: YAML → plain data, as it goes to the worker in JSON. What the data means, the runtime knows."""

from pathlib import Path
from typing import Any

import yaml

from modelport.errors import ModelNotLoadable, NotFound

FILE_NAME = "MLmodel"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C one is ten times faster
    """Safe YAML without timestamps: they stay as they are spelled, which is how MLflow means them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(folder: Path) -> dict[str, Any]:
    """The content of the MLmodel file in ``folder``: maps, lists, texts, numbers, truth values and nulls only.

    Raises:
        NotFound: there is no such file.
        ModelNotLoadable: it is no YAML, or no map.
    """
    path = folder / FILE_NAME
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ModelNotLoadable(f"{path} holds no map, so it describes no model")
    return {str(key): _plain(value) for key, value in data.items()}


def read_yaml(path: Path) -> Any:
    """The content of a YAML file of a model.

    Raises:
        NotFound: there is no such file.
        ModelNotLoadable: it cannot be read, or is no YAML.
    """
    try:
        return yaml.load(path.read_bytes(), _Loader)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except OSError as error:
        raise ModelNotLoadable(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelNotLoadable(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)  # dates and sets, which only explicit tags make
