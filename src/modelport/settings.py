"""What `serve` can be told: one typed object, filled once at the door and passed down."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000
DEFAULT_TIMEOUT = 60.0
DEFAULT_MODEL_NAME = "mlflow-model"
"""What MLflow calls a model that it serves with MLServer."""
MIB = 1 << 20


def modelport_home() -> Path:
    """Where Modelport keeps what it makes: ``MODELPORT_HOME``, else ``~/.modelport``."""
    return Path(os.environ.get("MODELPORT_HOME") or Path.home() / ".modelport")


@dataclass(frozen=True)
class ModelSource:
    """A model to be served: its name, where it lies, and what its paths begin with (the empty text: the root)."""

    name: str
    uri: str
    prefix: str = ""

    @classmethod
    def named(cls, name: str, uri: str) -> "ModelSource":
        """One of several models, at ``/models/NAME``."""
        return cls(name, uri, f"/models/{name}")


@dataclass(frozen=True)
class ServeSettings:
    """One ``modelport serve``. Sizes in bytes, times in seconds."""

    models: tuple[ModelSource, ...]
    """One at the root, or any number of named ones."""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    python: str | None = None
    allow_python_mismatch: bool = False
    """A pickle with code of another Python is opened all the same."""
    workers: int = 1
    processes: int = 1
    threads: int = 64
    timeout: float = DEFAULT_TIMEOUT
    max_queue: int = 1024
    max_body: int = 256 * MIB
    max_buffered: int = 1024 * MIB
    """Request bodies held in memory at once; more is answered with 429."""
    no_side_effects: bool = False
    api_key: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    access_log: str = "text"
    tracebacks: bool = False
    server_timing: bool = False
    model_config: dict[str, Any] | None = None
    """Overrides of the configuration saved with the models."""
    memory_limit: int | None = None
    """Resident memory beyond which a worker is replaced."""
    home: Path = field(default_factory=modelport_home)
