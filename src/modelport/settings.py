"""What `serve` can be told: one typed object, filled once at the door and passed down."""

import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.errors import InvalidInput

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000
DEFAULT_TIMEOUT = 60.0
DEFAULT_CONTROL_PORT = 8000
DEFAULT_SCORING_PORT = 8001
DEFAULT_MODEL_NAME = "mlflow-model"
"""What MLflow calls a model that it serves with MLServer."""
MIB = 1 << 20
BUILD_TIMEOUT = "MODELPORT_BUILD_TIMEOUT"
"""How the variable is called."""
_MANAGERS = {"uv": "uv", "virtualenv": "uv", "conda": "conda", "local": "local"}
"""As MLflow spells them → what they are here."""


def modelport_home() -> Path:
    """Where Modelport keeps what it makes: ``MODELPORT_HOME``, else ``~/.modelport``."""
    return Path(os.environ.get("MODELPORT_HOME") or Path.home() / ".modelport")


def environment_manager(spelled: str | None, python: str | None) -> str:
    """``uv``, ``conda`` or ``local``, as MLflow spells them; None: ``MODELPORT_ENV_MANAGER``, else ``local`` for an interpreter
    that is given, else ``uv``.

    Raises:
        InvalidInput: there is no such manager, or it does not go with an interpreter that is taken as it is.
    """
    spelled = spelled or (None if python else os.environ.get("MODELPORT_ENV_MANAGER")) or ("local" if python else "uv")
    manager = _MANAGERS.get(spelled)
    if manager is None:
        raise InvalidInput(f"'{spelled}' is no environment manager", hint=f"There is {', '.join(_MANAGERS)}.")
    if python is not None and manager != "local":
        raise InvalidInput(
            f"an interpreter is taken as it is, and {spelled} builds an environment: give one of the two"
        )
    return manager


def build_timeout() -> float:
    """Seconds for one step of an environment, such as building a source archive, or loading the model to see whether it can be:
    ``MODELPORT_BUILD_TIMEOUT``, else half an hour.

    Raises:
        InvalidInput: it is no such number.
    """
    given = os.environ.get(BUILD_TIMEOUT)
    try:
        seconds = float(given) if given else 1800.0
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < threading.TIMEOUT_MAX:  # neither nan
        raise InvalidInput(f"{BUILD_TIMEOUT} is {given!r}", hint="Seconds are wanted, more than 0: 1800")
    return seconds


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
class EnvironmentSettings:
    """How a model gets the environment it runs in."""

    manager: str = "uv"
    """``uv`` or ``conda`` builds what the model's files ask for; with ``local`` it runs in ``python``."""
    python: str | None = None
    """The interpreter of ``local``; None: the one that runs modelport."""
    python_version: str | None = None
    """The Python of an environment that is built, in the place of the one that the model names."""
    newest: bool = False
    """Unpinned packages may be newer than the model."""
    mlflow: bool | None = None
    """Whether mlflow itself is installed; None: only for models that nothing else can load."""
    overrides: tuple[str, ...] = ()
    """Requirements that take the place of those the model has for the same packages."""
    offline: bool = False
    """Nothing is downloaded."""


@dataclass(frozen=True)
class SafetySettings:
    """What a model is given, and what it may do."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that the workers get beside those they get anyway."""
    sandbox: bool = False
    """Workers run under bubblewrap: no network, no file but the model's own and what it takes to run it."""
    allow: str = "code"
    """What the model may bring: ``code``, ``pickle`` or ``none``."""


@dataclass(frozen=True)
class ServeSettings:
    """One ``modelport serve``. Sizes in bytes, times in seconds."""

    models: tuple[ModelSource, ...]
    """One at the root, or any number of named ones."""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    environment: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
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


@dataclass(frozen=True)
class UpSettings:
    """One ``modelport up``."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_CONTROL_PORT
    """Of the control API."""
    scoring_host: str = DEFAULT_HOST
    scoring_port: int = DEFAULT_SCORING_PORT
    scoring_processes: int = 1
    public_url: str | None = None
    """Where clients find the control API, without a slash at the end; None: at ``host`` and ``port``."""
    scoring_public_url: str | None = None
    """Likewise for predictions."""
    store: str | None = field(default=None, repr=False)
    """A database's URL; None: SQLite in ``home``."""
    home: Path = field(default_factory=modelport_home)
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    offline: bool = False
    """Nothing is downloaded, whatever a deployment says."""
    sandbox: bool = False
    """Workers run under bubblewrap."""

    @property
    def store_url(self) -> str:
        """Where the store is."""
        return self.store or f"sqlite:///{self.home.absolute() / 'modelport.db'}"

    @property
    def scheme(self) -> str:
        return "https" if self.ssl_certfile else "http"

    @property
    def control_url(self) -> str:
        """Where clients find it, without a slash at the end."""
        return self.public_url or f"{self.scheme}://{_in_url(self.host)}:{self.port}"

    @property
    def scoring_url(self) -> str:
        """Where clients find it, without a slash at the end."""
        return self.scoring_public_url or f"{self.scheme}://{_in_url(self.scoring_host)}:{self.scoring_port}"


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # every address of this machine, of which others know it by its name
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
