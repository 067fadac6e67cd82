"""The kinds of YAML file: by which name, class, and signs each is known."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelport.errors import InvalidInput

if TYPE_CHECKING:
    from modelport.domain.kind import Kind

KINDS = ("model", "environment", "online-endpoint", "online-deployment")
"""In the order in which they need each other."""
_SCHEMAS = {
    "model": "model",
    "environment": "environment",
    "onlineendpoint": "online-endpoint",
    "managedonlineendpoint": "online-endpoint",
    "kubernetesonlineendpoint": "online-endpoint",
    "onlinedeployment": "online-deployment",
    "managedonlinedeployment": "online-deployment",
    "kubernetesonlinedeployment": "online-deployment",
}
"""The last part of a ``$schema``, without what surrounds its words."""
_OF_BATCH = frozenset(
    {"mini_batch_size", "output_action", "error_threshold", "retry_settings", "defaults", "compute_type"}
)
_OF_A_DEPLOYMENT = frozenset({"endpoint_name"})
_OF_A_MODEL = frozenset({"type", "flavors", "stage"})
_OF_AN_ENVIRONMENT = frozenset({"image", "conda_file", "build", "inference_config", "os_type"})
_OF_AN_ENDPOINT = frozenset({"auth_mode", "traffic", "mirror_traffic", "public_network_access", "identity"})


def kind_class(name: str) -> "type[Kind]":
    """What a file of that kind is read as.

    Raises:
        InvalidInput: there is no such kind.
    """
    from modelport.domain.environment import EnvironmentSpec
    from modelport.domain.model import ModelSpec
    from modelport.domain.online_deployment import OnlineDeploymentSpec
    from modelport.domain.online_endpoint import OnlineEndpointSpec

    classes: dict[str, type[Kind]] = dict(
        zip(KINDS, (ModelSpec, EnvironmentSpec, OnlineEndpointSpec, OnlineDeploymentSpec), strict=True)
    )
    if name not in classes:
        raise InvalidInput(f"there is no kind of file {name!r}", hint=f"There is {', '.join(KINDS)}.")
    return classes[name]


def kind_of(data: Mapping[str, Any], file: str) -> str | None:
    """By its ``$schema``, else by the keys that only one kind has; None: it is of no kind that is known.

    Raises:
        InvalidInput: its ``$schema`` is of something else.
    """
    schema = data.get("$schema")
    if schema is not None:
        name = str(schema).rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
        kind = _SCHEMAS.get(re.sub(r"[^a-z]", "", name.lower()))
        if kind is None:
            raise InvalidInput(f"{file}: its $schema, {schema}, is of no kind that can be applied", hint=_THERE_IS)
        return kind
    keys = set(data)
    if keys & _OF_BATCH or "name" not in keys:
        return None
    if keys & _OF_A_DEPLOYMENT:
        return "online-deployment"
    if keys & _OF_AN_ENDPOINT:
        return "online-endpoint"
    if keys & _OF_AN_ENVIRONMENT:
        return "environment"
    return "model" if "path" in keys or keys & _OF_A_MODEL else None


_THERE_IS = f"There is {', '.join(KINDS)}."
