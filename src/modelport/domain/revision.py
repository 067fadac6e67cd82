"""A revision: one way a deployment was to be. What is served is one of them; a change makes the next."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from modelport.domain.online_deployment import OnlineDeploymentSpec


class Revision(BaseModel):
    """``wanted`` (its environment is being prepared), ``starting`` (its workers are), ``live`` (it answers), ``failed``,
    ``retired`` (it answers what it was asked, no more)."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")
    deployment_id: str
    number: int
    state: Literal["wanted", "starting", "live", "failed", "retired"]
    spec: OnlineDeploymentSpec
    workers: dict[str, Any] | None = None
    """``WantedWorkers`` as JSON has it, once its environment is there."""
    position: int | None = None
    """Of its metrics in shared memory."""
    takes_all_traffic: bool = False
    """The endpoint's traffic is moved to it once it is live."""
