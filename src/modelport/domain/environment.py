"""An environment as it is registered: conda's or pip's list for deployments whose model does not say it."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from modelport.domain.kind import Choice, Kind, Texts
from modelport.domain.model import AssetName, AssetVersion


class Build(Kind):
    """A Docker build context: accepted, and refused where it would have to be built."""

    NOUN: ClassVar[str] = "build"
    path: str | None = None
    dockerfile_path: str | None = None


class EnvironmentSpec(Kind):
    """What an environment file says, or a deployment's inline environment."""

    NOUN: ClassVar[str] = "environment"
    name: AssetName | None = None
    version: AssetVersion | None = None
    image: str | None = None
    """Names only a base: there are no containers. Recorded, and told."""
    conda_file: str | dict[str, Any] | None = None
    """A path for the client; its content once it was read."""
    path: str | None = None
    """``content://HASH/NAME`` of a package."""
    build: Build | None = None
    inference_config: dict[str, Any] | None = None
    os_type: Annotated[Literal["linux", "windows"], Choice] = "linux"
    description: str | None = None
    tags: Texts = Field(default_factory=dict)


class Environment(EnvironmentSpec):
    """A registered version."""

    name: AssetName
    version: AssetVersion
    id: str
    created_at: datetime
    created_by: str
    is_archived: bool = False
