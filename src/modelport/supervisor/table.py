"""``Table``: the one value that says which workers run and which endpoints are answered, from control to the supervisor.

Also what crosses between them, in JSON lines on a socket pair that control inherits:

    control → supervisor   {"table": Table}
    supervisor → control   {"applied": VERSION}                 every scoring process routes by it
                           {"workers": Report}                  a set of workers changed
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Probe:
    """Looks whether a worker takes notice of what it is sent within ``timeout`` seconds. ``failures`` in a row that find it
    silent say something of it; ``successes`` in a row take that back."""

    initial_delay: float
    """Seconds from when its model is loaded to the first look."""
    period: float
    timeout: float
    failures: int
    successes: int = 1


@dataclass(frozen=True)
class WantedWorkers:
    """A set of workers. Only ``count``, ``has_answered`` and ``readiness`` may differ between two tables; what else changes has
    another id."""

    id: str
    """``ENDPOINT/DEPLOYMENT/REVISION``."""
    spec: dict[str, Any]
    """``WorkerSpec.as_dict()``."""
    count: int
    timeout: float
    """Seconds after which nothing that a worker began is waited for."""
    memory_limit: int | None
    """Bytes beyond which a worker is replaced."""
    log: str
    """The file that the workers' output is appended to."""
    liveness: Probe | None = None
    """Who is silent by it is replaced."""
    has_answered: bool = False
    """It was ready before: where its workers do not start, they are started again and again."""
    readiness: Probe | None = None
    """Who is silent by it is given no requests until it is not."""


@dataclass(frozen=True)
class Credential:
    """Who may ask for predictions: SHA-256 of the key or token, in hex; ``expires`` in seconds since the epoch."""

    digest: str
    expires: float | None = None


@dataclass(frozen=True)
class DeploymentRoute:
    """A deployment as requests find it."""

    name: str
    workers: str
    """The id of the set that answers."""
    percent: int
    timeout: float
    """Seconds until a request is answered with 408."""
    max_open: int
    """Requests that may be open at once, in all scoring processes together where ``max_concurrent`` is set; more get 429."""
    max_concurrent: int | None
    """Requests that one worker is given at a time; None: as many as are good for it."""
    max_wait: float | None
    """Seconds until a request that no worker has taken is answered with 429; None: until its time-out."""
    retry_user_code: bool
    position: int
    """Of its metrics in the memory that all scoring processes share."""


@dataclass(frozen=True)
class Mirror:
    """So many percent of the requests are copied to this deployment."""

    deployment: str
    percent: int


@dataclass(frozen=True)
class EndpointRoute:
    """An endpoint as requests find it."""

    name: str
    credentials: list[Credential]
    deployments: list[DeploymentRoute]
    mirror: Mirror | None = None
    pass_client_errors: bool = False
    """The model's own 4xx reach the caller of ``/score`` as they are, not as 424."""


@dataclass(frozen=True)
class Table:
    """Everything. ``version`` grows; a table with a lower one is old."""

    version: int = 0
    workers: list[WantedWorkers] = field(default_factory=list)
    """In the order in which they are started."""
    endpoints: list[EndpointRoute] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The table as JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Table":
        """The table that ``as_dict`` made the data of."""
        return cls(
            data["version"],
            [
                WantedWorkers(**{**workers, **{key: _probe(workers.get(key)) for key in ("liveness", "readiness")}})
                for workers in data["workers"]
            ],
            [endpoint_from_dict(endpoint) for endpoint in data["endpoints"]],
        )


def _probe(data: dict[str, Any] | None) -> Probe | None:
    return None if data is None else Probe(**data)


def endpoint_from_dict(data: dict[str, Any]) -> EndpointRoute:
    """The endpoint that ``dataclasses.asdict`` made the data of."""
    return EndpointRoute(
        **{
            **data,
            "credentials": [Credential(**credential) for credential in data["credentials"]],
            "deployments": [DeploymentRoute(**deployment) for deployment in data["deployments"]],
            "mirror": data["mirror"] and Mirror(**data["mirror"]),
        }
    )


@dataclass(frozen=True)
class Report:
    """What became of a set: ``starting``, ``ready`` (all of its first workers were), ``failed`` (its first workers did not
    start: it is not tried again, unless it has answered before), ``gone`` (nothing of it is left)."""

    id: str
    state: Literal["starting", "ready", "failed", "gone"]
    ready: int = 0
    """Workers that can be given requests now."""
    pids: list[int] = field(default_factory=list)
    """Of these, and of those that are silent for now."""
    restarts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    """Of the first worker: its Python, its libraries, how long it loaded."""
    error: dict[str, Any] | None = None
    """``ModelportError.as_dict()`` of why it failed."""

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return asdict(self)
