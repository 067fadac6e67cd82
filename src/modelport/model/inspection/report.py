"""``Inspection``: what is known of a model on disk, as plain values. Its fields are the keys of ``inspect --json``."""

from dataclasses import asdict, dataclass
from typing import Any

from modelport.model.requirements import Dependency


@dataclass(frozen=True)
class Flavor:
    """One entry of ``flavors``. ``versions`` holds its keys that end in ``_version``, but for Python's own."""

    name: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Serving:
    """What would load the model: ``by`` is a flavor of Modelport's own, ``mlflow``, or the loader module itself. ``problem``
    says why it cannot be served, or not in this environment."""

    loader_module: str | None
    by: str | None
    problem: str | None


@dataclass(frozen=True)
class Column:
    """A column, or a tensor if it has a shape. ``name`` is its position where it has none."""

    name: str | int
    type: str
    required: bool
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Param:
    """A parameter of a request; ``shape`` is null for a single value."""

    name: str
    type: str
    default: Any
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class SignatureReport:
    """None: the signature says nothing of that part."""

    inputs: tuple[Column, ...] | None
    outputs: tuple[Column, ...] | None
    params: tuple[Param, ...]
    from_type_hint: bool


@dataclass(frozen=True)
class ExampleReport:
    """The input example. ``text`` is its beginning; ``problem`` says why it cannot be read."""

    type: str | None
    file: str | None
    text: str | None
    problem: str | None


@dataclass(frozen=True)
class RequestReport:
    """A request that can be pasted into a shell; ``made_from`` is ``example`` or ``signature``. Else a hint."""

    curl: str | None
    made_from: str | None
    hint: str | None


@dataclass(frozen=True)
class Dependencies:
    """Requirements beside the environment of the interpreter ``python``."""

    python: str
    python_version: str
    python_wanted: str | None
    source: str | None
    packages: tuple[Dependency, ...]


@dataclass(frozen=True)
class Variable:
    """An environment variable that the model asked for when it was logged. Its value is nobody's business."""

    name: str
    is_set: bool


@dataclass(frozen=True)
class FileSize:
    path: str
    bytes: int


@dataclass(frozen=True)
class Sizes:
    """``model_size_bytes`` is what MLflow wrote down, which leaves out the files that describe the model."""

    files: int
    bytes: int
    model_size_bytes: int | None
    largest: tuple[FileSize, ...]


@dataclass(frozen=True)
class PickleScan:
    """What picklescan says of the names a pickle imports. ``complete`` is false where it was not read to its end."""

    dangerous: tuple[str, ...]
    suspicious: tuple[str, ...]
    innocuous: tuple[str, ...]
    complete: bool
    problem: str | None


@dataclass(frozen=True)
class Finding:
    """Something that runs code when the model is loaded. ``kind``: ``pickle``, ``code path``, ``model from code``,
    ``loader module`` or ``trusted types``."""

    kind: str
    path: str
    says: str
    scan: PickleScan | None = None
    brings_code: bool = True
    """Whether code comes with the model, rather than what is installed being called. A pickle brings some where it names what
    can run code, as all do that hold a function or class by value."""


@dataclass(frozen=True)
class Inspection:
    name: str
    uri: str
    path: str
    model_id: str | None
    model_uuid: str | None
    run_id: str | None
    mlflow_version: str | None
    created: str | None
    """UTC, as ISO 8601."""
    python_version: str | None
    flavors: tuple[Flavor, ...]
    serving: Serving
    streams: bool
    signature: SignatureReport | None
    example: ExampleReport | None
    request: RequestReport
    dependencies: Dependencies
    variables: tuple[Variable, ...]
    sizes: Sizes
    code_on_load: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
