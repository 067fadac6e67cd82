"""Objects to be kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

from modelport.domain.access import Grant, User
from modelport.domain.environment import Environment
from modelport.domain.model import Model
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpoint
from modelport.domain.revision import Revision
from modelport.domain.seen import AuditEntry, Minute
from modelport.domain.states import ProvisioningState

NOW = datetime(2026, 2, 3, 4, 5, 6, 789012, UTC)
CONTENT = "content://" + "ab" * 32 + "/model"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def model(name: str = "churn", version: str = "1", seconds: float = 0, **more: Any) -> Model:
    identity = {"id": f"{name}:{version}", "created_at": later(seconds), "created_by": "ada"}
    return Model(name=name, version=version, path=CONTENT, **identity, **more)


def environment(name: str = "base", version: str = "1", seconds: float = 0, **more: Any) -> Environment:
    identity = {"id": f"{name}:{version}", "created_at": later(seconds), "created_by": "ada"}
    return Environment(name=name, version=version, conda_file={"dependencies": ["pip"]}, **identity, **more)


def endpoint(name: str = "rent", number: int = 1, **more: Any) -> OnlineEndpoint:
    return OnlineEndpoint(
        name=name,
        id=f"endpoint-{name}-{number}",
        provisioning_state=ProvisioningState.CREATING,
        scoring_uri=f"http://127.0.0.1/endpoints/{name}/score",
        openapi_uri=f"http://127.0.0.1/endpoints/{name}/swagger.json",
        created_at=NOW,
        created_by="ada",
        **more,
    )


def deployment(name: str = "blue", endpoint_name: str = "rent", **more: Any) -> OnlineDeployment:
    return OnlineDeployment(
        name=name,
        endpoint_name=endpoint_name,
        id=f"deployment-{endpoint_name}-{name}",
        model="azureml:churn:1",
        provisioning_state=ProvisioningState.CREATING,
        created_at=NOW,
        created_by="ada",
        **more,
    )


def revision(number: int = 1, deployment_id: str = "deployment-rent-blue", **more: Any) -> Revision:
    spec = OnlineDeploymentSpec(name="blue", endpoint_name="rent", instance_count=number)
    return Revision(deployment_id=deployment_id, number=number, state="wanted", spec=spec, **more)


def user(name: str = "ada") -> User:
    return User(name=name, grants=[Grant(scope="deploy", endpoint="rent")], created_at=NOW)


def audit_entry(operation: str = "create") -> AuditEntry:
    return AuditEntry(at=NOW, who="ada", operation=operation, what="online-endpoint/rent", details={"traffic": {}})


def minute(number: int, deployment: str = "blue", endpoint: str = "rent", requests: int = 1) -> Minute:
    times = {"latency_p50": 1.5, "latency_p90": 2.0, "latency_p95": None, "latency_p99": None}
    at = NOW.replace(second=0, microsecond=0) + timedelta(minutes=number)
    return Minute(at=at, endpoint=endpoint, deployment=deployment, requests={"200": requests}, **times)
