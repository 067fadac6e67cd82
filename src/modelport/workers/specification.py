"""``WorkerSpec``: what a worker is started with, as data. ``spec`` makes it; it needs the standard library alone."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from modelport.workers.sandbox import Sandbox


@dataclass(frozen=True)
class WorkerSpec:
    """A model and the interpreter it runs in. ``threads`` serve user code; ``max_body`` in bytes."""

    python: str
    bundle: Path
    name: str
    model_path: Path
    mlmodel: dict[str, Any]
    model_config: dict[str, Any] | None
    threads: int
    max_body: int
    environment: dict[str, str]
    sys_path: list[str]
    allow_python_mismatch: bool
    write_bytecode: bool = False
    """Whether libraries that are imported for the first time are compiled for those who come after."""
    sandbox: Sandbox | None = None
    withheld: tuple[str, ...] = ()
    """Environment variables that the model asks for and does not get, each with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """The spec as JSON has it."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        shut_in = None if self.sandbox is None else self.sandbox.as_dict()
        paths = {"bundle": str(self.bundle), "model_path": str(self.model_path)}
        plain: dict[str, Any] = finite({**data, **paths, "sandbox": shut_in, "withheld": list(self.withheld)})
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "WorkerSpec":
        """The spec that ``as_dict`` made the data of."""
        shut_in = data["sandbox"] and Sandbox.from_dict(data["sandbox"])
        paths = {"bundle": Path(data["bundle"]), "model_path": Path(data["model_path"])}
        return cls(**{**data, **paths, "sandbox": shut_in, "withheld": tuple(data["withheld"])})


def finite(value: Any) -> Any:
    """The value with null where JSON has no number: for NaN and infinities."""
    if isinstance(value, dict):
        return {key: finite(member) for key, member in value.items()}
    if isinstance(value, list):
        return [finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
