"""Load a model into this process, spelled as in MLflow: ``modelport.pyfunc.load_model(uri).predict(data)``.

The model's libraries have to be installed here; ``modelport serve`` runs a model in its own environment instead.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from modelport.model import location, mlmodel
from modelport_runtime import pyfunc
from modelport_runtime.pyfunc import PyFuncModel

__all__ = ["PyFuncModel", "load_model"]


def load_model(
    model_uri: str, suppress_warnings: bool = False, model_config: dict[str, Any] | str | None = None
) -> PyFuncModel:
    """The model at a local path or ``file:`` URI, ready to predict.

    ``model_config`` (a dictionary or the path of a YAML file) overrides keys of the configuration saved with the model;
    ``suppress_warnings`` silences what the log would say about differing Python versions and ignored configuration.

    Raises:
        NotFound: there is no model.
        ModelNotLoadable: the model is damaged, or needs what is not installed here.
    """
    folder = location.resolve(str(model_uri))
    data = mlmodel.read(folder)
    with _quiet(suppress_warnings):
        return pyfunc.load(str(folder), data, model_config)


@contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    logger = logging.getLogger("modelport_runtime")
    before = logger.level
    if wanted:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
