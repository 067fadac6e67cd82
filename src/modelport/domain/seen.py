"""What can be looked at afterwards: who changed what, and what was counted in each minute."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class AuditEntry(BaseModel):
    """One change, or one that was refused."""

    model_config = ConfigDict(frozen=True)
    at: datetime
    who: str
    operation: str
    what: str
    """``online-endpoint/churn``, ``online-deployment/churn/blue``, ``model/churn/3``."""
    details: dict[str, Any] = {}
    outcome: Literal["done", "refused"] = "done"
    """``refused``: whoever asked is known, and has no grant to it."""


class Minute(BaseModel):
    """One deployment's minute. Times in milliseconds, None where nothing was asked."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())
    at: datetime
    """Its beginning."""
    endpoint: str
    deployment: str
    requests: dict[str, int]
    """Status → number."""
    latency_p50: float | None
    latency_p90: float | None
    latency_p95: float | None
    latency_p99: float | None
    rows: int = 0
    instances: int = 0
    memory_bytes: int = 0
    cpu_percent: float = 0.0
