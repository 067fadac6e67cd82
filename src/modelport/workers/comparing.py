"""What a model asks for, held against what the interpreter of its workers has."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from modelport.model import environment_spec, requirements
from modelport.workers.specification import WorkerSpec

log = logging.getLogger("modelport.workers")


class Comparison:
    """A ``workers.process.Look``: the log tells once what is missing or differs."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        # In a thread, and while the interpreters start: the first time it takes as long as an import of `packaging`.
        self._wanted = asyncio.ensure_future(asyncio.to_thread(environment_spec.read, spec.model_path, spec.mlmodel))

    async def names(self) -> Iterable[str]:
        return (await self._wanted).names

    def compare(self, facts: dict[str, Any]) -> None:
        wanted = self._wanted.result().requirements
        differing = requirements.mismatches(wanted, facts["environment"], facts["needs_mlflow"])
        if differing is not None:
            log.warning("%s: %s", self._spec.model_path, differing)
