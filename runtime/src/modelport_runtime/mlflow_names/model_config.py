"""What a model written as a Python file talks to while it is loaded: ``set_model`` and ``ModelConfig``."""

import contextlib
import os
from contextvars import ContextVar
from typing import Any, Dict, Iterator, List, Optional, Union

from modelport_runtime.errors import InvalidInput, ModelNotLoadable

Config = Dict[str, Any]


class _Loading:
    """One file being run: the configuration it shall see, and the models it names."""

    def __init__(self, config: Optional[Config]) -> None:
        self.config = config or {}
        self.models: List[Any] = []


_loading: "ContextVar[Optional[_Loading]]" = ContextVar("modelport_loading", default=None)


@contextlib.contextmanager
def loading(config: Optional[Config]) -> Iterator[List[Any]]:
    """While this lasts, ``ModelConfig`` gives ``config``; yields the list that ``set_model`` adds to."""
    state = _Loading(config)
    token = _loading.set(state)
    try:
        yield state.models
    finally:
        _loading.reset(token)


def set_model(model: Any) -> None:
    """Name the model of this file: a ``PythonModel`` or a function. The last call counts."""
    if not callable(getattr(model, "predict", None)) and not callable(model):
        raise ModelNotLoadable(f"set_model takes a PythonModel or a function, not {type(model).__name__}")
    state = _loading.get()
    if state is not None:
        state.models.append(model)


class ModelConfig:
    """The configuration of a model: the saved one while a saved model is loaded, else ``development_config``.

    ``development_config`` is a dictionary or the path of a YAML file. Raises ``FileNotFoundError`` when there is none.
    """

    def __init__(self, *, development_config: Union[str, Config, None] = None) -> None:
        state = _loading.get()
        config = development_config if state is None else state.config
        if not config:
            raise FileNotFoundError("the model asks for a configuration and none was saved with it (model_config)")
        self._config = config if isinstance(config, dict) else read_yaml(config)

    def to_dict(self) -> Config:
        return self._config

    def get(self, key: str) -> Any:
        """The value of a top-level key. Raises ``KeyError``."""
        if key not in self._config:
            raise KeyError(f"Key '{key}' not found in configuration: {self._config}.")
        return self._config[key]


ModelConfig.__module__ = "mlflow.models.model_config"


def read_yaml(path: Union[str, "os.PathLike[str]"]) -> Config:
    """The map in a YAML file. Needs PyYAML in the model's environment."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no configuration file {os.fspath(path)!r}")
    try:
        import yaml
    except ImportError as error:
        raise ModelNotLoadable(
            f"the configuration {os.fspath(path)!r} is YAML, and the model's environment has no PyYAML",
            hint="add PyYAML to the model's requirements, or give the configuration as a dictionary",
        ) from error
    with open(path, encoding="utf-8") as file:
        try:
            config = yaml.safe_load(file)
        except yaml.YAMLError as error:
            raise InvalidInput(f"the configuration {os.fspath(path)!r} is no valid YAML: {error}") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"the configuration {os.fspath(path)!r} holds no map")
    return config
