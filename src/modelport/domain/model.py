"""A model as it is registered: a name, a version, and content that never changes."""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from modelport.domain.kind import Choice, Kind, Text, Texts

_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_ASSET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
CONTENT = re.compile(r"content://([0-9a-f]{64})/([^/]+)")
"""Content that was uploaded: the hash of its tree, and the name that its folder or file had."""


def name_of(content: re.Match[str]) -> str:
    """The name of a model that was given none, by the match of ``CONTENT``: the same for the same content."""
    return f"model-{content[1][:16]}"


CHANGEABLE = ("description", "tags", "properties", "stage")
"""What of a registered version may be changed."""


def _checked_asset_name(name: str) -> str:
    if not _ASSET_NAME.fullmatch(name):
        raise ValueError("letters, digits, - _ and . are wanted, at most 255")
    return name


def _checked_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ValueError("letters, digits, - _ . and + are wanted, at most 64")
    return version


AssetVersion = Annotated[Text, AfterValidator(_checked_version)]
"""Of a model or environment; numbers count up by themselves."""
AssetName = Annotated[str, AfterValidator(_checked_asset_name)]
"""Of a model or environment."""


class ModelSpec(Kind):
    """What a model file says, or a deployment's inline model; without a name it is registered under one made of its content."""

    NOUN: ClassVar[str] = "model"
    name: AssetName | None = None
    version: AssetVersion | None = None
    """Omitted: the next whole number."""
    path: str | None = None
    """A local path or model URI for the client; ``content://HASH/NAME`` once it was uploaded."""
    type: Annotated[Literal["custom_model", "mlflow_model", "triton_model"], Choice] = "custom_model"
    description: str | None = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    flavors: dict[str, Any] = Field(default_factory=dict)
    stage: str | None = None


class Model(ModelSpec):
    """A registered version."""

    name: AssetName
    version: AssetVersion
    path: str
    id: str
    created_at: datetime
    created_by: str
    is_archived: bool = False
