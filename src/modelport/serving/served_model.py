"""``ServedModel``: what a scoring process knows of the model behind its routes. No model is loaded for it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport_runtime.errors import ModelportError

if TYPE_CHECKING:  # 30 ms of the start, for what only documents ask for
    from modelport_runtime.model import Model
    from modelport_runtime.schema import Signature


@dataclass(frozen=True)
class ServedModel:
    """A model at the routes: its name, its folder, and its MLmodel file as plain data."""

    name: str
    folder: Path
    mlmodel: dict[str, Any]

    @cached_property
    def model(self) -> "Model":
        from modelport_runtime.model import Model

        return Model.from_mlmodel(str(self.folder), self.mlmodel)

    @property
    def signature(self) -> "Signature | None":
        return self.model.signature

    @property
    def streams(self) -> bool:
        """Whether the model has a ``predict_stream``."""
        flavors = self.mlmodel.get("flavors") or {}
        return bool((flavors.get("python_function") or {}).get("streamable"))

    @cached_property
    def example(self) -> Any:
        """The model's own example as the JSON of a request to ``/invocations``; None when there is none to be read."""
        try:
            example = self.model.serving_example()
            return None if example is None else json.loads(example)
        except (ModelportError, OSError, ValueError):
            return None
