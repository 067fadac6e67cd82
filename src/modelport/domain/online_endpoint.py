"""An online endpoint: an address, credentials, and which share of the requests goes where."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from modelport.domain.kind import Choice, Kind, Name, Texts
from modelport.domain.states import ProvisioningState

MAX_MIRROR = 50
"""Percent."""
Percent = Annotated[int, Field(ge=0, le=100)]


def _checked_traffic(traffic: dict[str, int]) -> dict[str, int]:
    total = sum(traffic.values())
    if total not in (0, 100):
        raise ValueError(f"shares must add up to 100, or to 0: these are {total}")
    return traffic


def _checked_mirror(mirror: dict[str, int]) -> dict[str, int]:
    if len(mirror) > 1:
        raise ValueError(f"one deployment can be mirrored to, not {len(mirror)}")
    if any(percent > MAX_MIRROR for percent in mirror.values()):
        raise ValueError(f"at most {MAX_MIRROR} percent can be mirrored")
    return {name: percent for name, percent in mirror.items() if percent}


class Identity(Kind):
    """Accepted and recorded: it only means something in Azure."""

    NOUN: ClassVar[str] = "identity"
    type: Annotated[Literal["system_assigned", "user_assigned", "none"], Choice] = "system_assigned"
    user_assigned_identities: list[Any] = Field(default_factory=list, max_length=1)


class OnlineEndpointSpec(Kind):
    """What an endpoint file says."""

    NOUN: ClassVar[str] = "online endpoint"
    name: Name
    description: str | None = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    auth_mode: Annotated[Literal["key", "aml_token", "aad_token"], Choice] = "key"
    traffic: Annotated[dict[Name, Percent], AfterValidator(_checked_traffic)] = Field(default_factory=dict)
    mirror_traffic: Annotated[dict[Name, Percent], AfterValidator(_checked_mirror)] = Field(default_factory=dict)
    public_network_access: Annotated[Literal["enabled", "disabled"], Choice] = "enabled"
    identity: Identity | None = None
    compute: str | None = None

    def traffic_with(self, shares: dict[str, int]) -> dict[str, int]:
        """What becomes of the traffic when these shares are asked for: whoever they do not name keeps its own."""
        return {**self.traffic, **shares}

    def shares_for(self, traffic: dict[str, int]) -> dict[str, int]:
        """What to ask for, so that the traffic becomes this: whoever it does not name has to be told that it gets none."""
        return {**dict.fromkeys(self.traffic, 0), **traffic}


class OnlineEndpoint(OnlineEndpointSpec):
    """One that exists. ``id`` is its own for ever: a later endpoint of the same name has another."""

    id: str
    provisioning_state: ProvisioningState
    scoring_uri: str
    openapi_uri: str
    location: str = "local"
    kind: str = "Managed"
    created_at: datetime
    created_by: str
    error: dict[str, Any] | None = None
    notices: list[str] = Field(default_factory=list)
    """What the file asks for and means nothing here."""
