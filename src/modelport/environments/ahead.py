"""The environment of a model, had before the model is run: for who deploys at night, and for who has no network later."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.environments import check, managing, preparing
from modelport.environments.store import Store
from modelport.model import location, mlmodel
from modelport.settings import EnvironmentSettings, SafetySettings, modelport_home
from modelport.workers.spec import admit


@dataclass(frozen=True)
class Prepared:
    """``interpreter`` is absolute; ``details`` as ``managing.details`` has them, empty where no file names a package."""

    interpreter: str
    details: dict[str, Any] = field(default_factory=dict)


def prepare_ahead(
    model_uri: str, settings: EnvironmentSettings, safety: SafetySettings | None = None, home: Path | None = None
) -> Prepared:
    """Build the environment of the model, unless it is there, and tell what was decided.

    Raises:
        NotFound: there is no model.
        ModelNotAllowed: it brings what ``safety`` does not allow.
        EnvironmentFailed: the environment cannot be had.
        ModelNotLoadable: the model's files say nothing that can be understood, or the model cannot be loaded in it.
    """
    home = modelport_home() if home is None else home
    folder = location.resolve(model_uri)
    content = mlmodel.read(folder)
    admit(folder, content, safety or SafetySettings())
    found = preparing.prepare(folder, content, settings, home, check.loading(folder, content, home, safety))
    if found is None:
        return Prepared(sys.executable)
    return Prepared(found.environment.python, managing.details(Store(home), found.environment, found.key))
