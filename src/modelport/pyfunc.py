"""Load a model into this process, spelled as in MLflow: ``modelport.pyfunc.load_model(uri).predict(data)``.

The model's libraries have to be installed here; ``modelport serve`` runs a model in its own environment instead.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart, InvalidInput
from modelport.model import environment_spec, location, mlmodel, requirements
from modelport.settings import (
    DEFAULT_HOST,
    DEFAULT_MODEL_NAME,
    DEFAULT_PORT,
    EnvironmentSettings,
    ModelSource,
    ServeSettings,
)
from modelport_runtime import distributions, pyfunc
from modelport_runtime.flavors import needs_mlflow
from modelport_runtime.mlflow_names.model_config import read_yaml
from modelport_runtime.model import PYFUNC, Model

__all__ = ["PyFuncModel", "get_model_dependencies", "load_model"]

log = logging.getLogger("modelport")


class PyFuncModel(pyfunc.PyFuncModel):
    """A model loaded into this process, which can also be served from here."""

    def __init__(
        self,
        loaded: pyfunc.PyFuncModel,
        uri: str,
        overrides: dict[str, Any] | str | None,
        allow_python_mismatch: bool,
    ) -> None:
        super().__init__(loaded.metadata, loaded.predictor)
        self._uri = uri
        self._overrides = overrides
        self._allow_python_mismatch = allow_python_mismatch

    def serve(
        self,
        port: int | None = None,
        host: str | None = None,
        workers: int | None = None,
        enable_mlserver: bool = False,
    ) -> None:
        """Serve this model over HTTP until the process is told to stop; its workers run in this interpreter.

        Parallel workers and adaptive batching are built in, so ``enable_mlserver`` changes nothing.

        Raises:
            CannotStart: the address cannot be had, or an event loop is running here already (as in a notebook).
        """
        from modelport.server import serve  # what a program that only predicts need not import

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise CannotStart(
                "serve() runs an event loop, and there is one running already",
                hint=f"Run it from a shell: modelport serve -m {self._uri}",
            )
        if enable_mlserver:
            logging.getLogger("modelport").info("enable_mlserver is not needed: batching and workers are built in")
        overrides = self._overrides
        if isinstance(overrides, str):
            overrides = read_yaml(overrides)
        serve(
            ServeSettings(
                models=(ModelSource(DEFAULT_MODEL_NAME, self._uri),),
                environment=EnvironmentSettings(manager="local"),
                host=host or DEFAULT_HOST,
                port=port or DEFAULT_PORT,
                workers=workers or 1,
                model_config=overrides,
                allow_python_mismatch=self._allow_python_mismatch,
            )
        )


def load_model(
    model_uri: str,
    suppress_warnings: bool = False,
    model_config: dict[str, Any] | str | None = None,
    *,
    allow_python_mismatch: bool = False,
) -> PyFuncModel:
    """The model at a local path or ``file:`` URI, ready to predict.

    ``model_config`` (a dictionary or the path of a YAML file) overrides keys of the configuration saved with the model;
    ``suppress_warnings`` silences what the log would say about differing versions and ignored configuration.
    ``allow_python_mismatch`` opens a pickle that holds code of another Python version, which can crash this one.

    Raises:
        NotFound: there is no model.
        ModelNotLoadable: the model is damaged, or needs what is not installed here.
    """
    folder = location.resolve(str(model_uri))
    data = mlmodel.read(folder)
    with _quiet(suppress_warnings):
        if not suppress_warnings:
            _warn_of_versions(folder, data)
        loaded = pyfunc.load(str(folder), data, model_config, allow_python_mismatch)
    return PyFuncModel(loaded, str(model_uri), model_config, allow_python_mismatch)


def get_model_dependencies(model_uri: str, format: str = "pip") -> str:
    """The path of the model's ``requirements.txt`` (``pip``) or ``conda.yaml`` (``conda``).

    Where there is no ``requirements.txt``, the pip section of ``conda.yaml`` is written to a temporary file.

    Raises:
        NotFound: there is no model, no such file of it, or no pip section in it.
        InvalidInput: ``format`` is neither ``pip`` nor ``conda``.
    """
    # Not for programs that only predict.
    from modelport.model.dependency_files import conda_file, pip_file

    if format not in ("pip", "conda"):
        raise InvalidInput(
            f"the format of dependencies is 'pip' or 'conda', not {format!r}", code="INVALID_PARAMETER_VALUE"
        )
    folder = location.resolve(str(model_uri))
    return str(pip_file(folder) if format == "pip" else conda_file(folder))


def _warn_of_versions(folder: Path, data: dict[str, Any]) -> None:
    """One line in the log about all requirements that this interpreter does not meet. It never keeps a model from loading."""
    wanted = environment_spec.read(folder, data)
    loader = Model.from_mlmodel(str(folder), data).flavors.get(PYFUNC, {}).get("loader_module")
    needs = isinstance(loader, str) and needs_mlflow(loader)
    differing = requirements.mismatches(wanted.requirements, distributions.describe(wanted.names), needs)
    if differing is not None:
        log.warning("%s: %s", folder, differing)


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
