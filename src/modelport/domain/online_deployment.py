"""An online deployment: one model, with its environment and sizes, under one endpoint."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from modelport.domain.environment import EnvironmentSpec
from modelport.domain.kind import Choice, Kind, Name, Texts
from modelport.domain.model import ModelSpec
from modelport.domain.states import ProvisioningState


class CodeConfiguration(Kind):
    """A scoring script and the folder it lies in."""

    NOUN: ClassVar[str] = "code configuration"
    code: str
    scoring_script: str


class RequestSettings(Kind):
    """Limits, which hold only where they are given."""

    NOUN: ClassVar[str] = "request settings"
    request_timeout_ms: Annotated[int, Field(ge=1, le=180_000)] | None = None
    max_concurrent_requests_per_instance: Annotated[int, Field(ge=1)] | None = None
    max_queue_wait_ms: Annotated[int, Field(ge=0)] | None = None


class Probe(Kind):
    """Seconds, and how often in a row."""

    NOUN: ClassVar[str] = "probe"
    initial_delay: Annotated[int, Field(ge=1)] = 10
    period: Annotated[int, Field(ge=1)] = 10
    timeout: Annotated[int, Field(ge=1)] = 2
    success_threshold: Annotated[int, Field(ge=1)] = 1
    failure_threshold: Annotated[int, Field(ge=1)] = 30


class ScaleSettings(Kind):
    """``default``: as many instances as ``instance_count`` says."""

    NOUN: ClassVar[str] = "scale settings"
    type: Annotated[Literal["default", "target_utilization"], Choice] = "default"
    min_instances: int | None = None
    max_instances: int | None = None
    polling_interval: int | None = None
    target_utilization_percentage: int | None = None


class OnlineDeploymentSpec(Kind):
    """What a deployment file says."""

    NOUN: ClassVar[str] = "online deployment"
    name: Name
    endpoint_name: Name
    description: str | None = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    model: str | ModelSpec | None = None
    """``azureml:NAME:VERSION``, ``azureml:NAME@latest``, or a model that is registered on the way."""
    code_configuration: CodeConfiguration | None = None
    environment: str | EnvironmentSpec | None = None
    environment_variables: Texts = Field(default_factory=dict)
    instance_type: str | None = None
    instance_count: Annotated[int, Field(ge=1, le=50)] = 1
    app_insights_enabled: bool = False
    model_mount_path: str | None = None
    type: Annotated[Literal["managed", "kubernetes"], Choice] = "managed"
    resources: dict[str, Any] | None = None
    request_settings: RequestSettings = RequestSettings()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    scale_settings: ScaleSettings = ScaleSettings()
    data_collector: dict[str, Any] | None = None
    egress_public_network_access: Annotated[Literal["enabled", "disabled"], Choice] = "enabled"


class OnlineDeployment(OnlineDeploymentSpec):
    """One that exists; ``model`` is a reference to one version now."""

    id: str
    provisioning_state: ProvisioningState
    created_at: datetime
    created_by: str
    error: dict[str, Any] | None = None
    """``code``, ``message`` and perhaps ``hint`` of why it failed."""
    notices: list[str] = Field(default_factory=list)
    """What the file asks for and means nothing here."""
    ready_instances: int = 0
