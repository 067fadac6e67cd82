"""The table for the supervisor, made of what the store says: nothing else goes into it."""

import time
from dataclasses import dataclass, replace
from typing import Self

from modelport.domain import online_deployment
from modelport.domain.access import Principal, User
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpoint
from modelport.domain.revision import Revision
from modelport.domain.states import ProvisioningState
from modelport.settings import DEFAULT_TIMEOUT
from modelport.store.transaction import StoredCredential, Transaction
from modelport.supervisor.table import (
    Credential,
    DeploymentRoute,
    EndpointRoute,
    Mirror,
    Probe,
    Table,
    WantedWorkers,
)

MAX_OPEN = 1024
"""Requests of a deployment that may be open at once in each scoring process, where its file sets no limit. One that is set is
for all of the processes together."""


@dataclass(frozen=True)
class Stored:
    """What the store says of all endpoints, each table read once: there may be hundreds."""

    endpoints: list[OnlineEndpoint]
    deployments: dict[str, OnlineDeployment]
    """By id."""
    revisions: list[Revision]
    credentials: dict[str, list[StoredCredential]]
    """By the endpoint's id."""
    users: list[tuple[User, str]]
    """Each with the hash of its key."""

    @classmethod
    def read(cls, transaction: Transaction) -> Self:
        """As it is now."""
        credentials: dict[str, list[StoredCredential]] = {}
        for stored in transaction.credentials():
            credentials.setdefault(stored.endpoint_id, []).append(stored)
        digests = transaction.digests()
        return cls(
            transaction.endpoints(),
            {deployment.id: deployment for deployment in transaction.deployments()},
            transaction.revisions(),
            credentials,
            [(user, digests[user.name]) for user in transaction.users()],
        )


def table(stored: Stored) -> Table:
    """Everything that is wanted now, without a version."""
    deployments = stored.deployments
    wanted: list[WantedWorkers] = []
    live: dict[str, Revision] = {}
    for revision in stored.revisions:
        deployment = deployments.get(revision.deployment_id)
        if deployment is None or deployment.provisioning_state == ProvisioningState.DELETING:
            continue
        if revision.workers is not None and revision.state in ("starting", "live"):
            workers = workers_from_dict(revision.workers)
            readiness = _probe(revision.spec.readiness_probe)
            wanted.append(replace(workers, has_answered=revision.state == "live", readiness=readiness))
        if revision.state == "live":
            live[revision.deployment_id] = revision
    by_endpoint: dict[str, list[tuple[OnlineDeployment, Revision]]] = {}
    for id, revision in live.items():
        by_endpoint.setdefault(deployments[id].endpoint_name, []).append((deployments[id], revision))
    endpoints = [
        _endpoint(stored, endpoint, by_endpoint.get(endpoint.name, []))
        for endpoint in stored.endpoints
        if endpoint.provisioning_state != ProvisioningState.DELETING
    ]
    asked = {route.workers for endpoint in endpoints for route in endpoint.deployments if route.percent}
    return Table(0, sorted(wanted, key=lambda workers: workers.id not in asked), endpoints)


def workers_from_dict(data: dict[str, object]) -> WantedWorkers:
    """What a revision keeps of its workers."""
    return Table.from_dict({"version": 0, "workers": [data], "endpoints": []}).workers[0]


def _endpoint(
    stored: Stored, endpoint: OnlineEndpoint, deployments: list[tuple[OnlineDeployment, Revision]]
) -> EndpointRoute:
    routes = [_deployment(endpoint, deployment, revision) for deployment, revision in deployments]
    there = {route.name for route in routes}
    mirrors = [Mirror(name, percent) for name, percent in endpoint.mirror_traffic.items() if name in there]
    return EndpointRoute(
        endpoint.name,
        _credentials(stored, endpoint),
        sorted(routes, key=lambda route: route.name),
        mirrors[0] if mirrors else None,
        endpoint.properties.get("modelport.pass_client_errors", "").lower() == "true",
    )


def _credentials(stored: Stored, endpoint: OnlineEndpoint) -> list[Credential]:
    """Of the endpoint itself, and of every user who may invoke it."""
    slots = ("primary", "secondary") if endpoint.auth_mode == "key" else ("token",)
    now = time.time()
    found = [
        Credential(credential.digest, credential.expires)
        for credential in stored.credentials.get(endpoint.id, [])
        if credential.slot in slots and (credential.expires is None or credential.expires > now)
    ]
    for user, digest in stored.users:
        if Principal(user.name, tuple(user.grants)).may("invoke", endpoint.name):
            found.append(Credential(digest))
    return found


def _deployment(endpoint: OnlineEndpoint, deployment: OnlineDeployment, revision: Revision) -> DeploymentRoute:
    assert revision.workers is not None and revision.position is not None
    settings = revision.spec.request_settings
    concurrent = settings.max_concurrent_requests_per_instance
    wait = settings.max_queue_wait_ms
    return DeploymentRoute(
        name=deployment.name,
        workers=str(revision.workers["id"]),
        percent=endpoint.traffic.get(deployment.name, 0),
        timeout=timeout(revision),
        max_open=MAX_OPEN if concurrent is None else 2 * concurrent * revision.spec.instance_count,
        max_concurrent=concurrent,
        max_wait=None if wait is None else wait / 1000,
        retry_user_code=False,
        position=revision.position,
    )


def timeout(revision: Revision) -> float:
    """Seconds until a request is answered with 408."""
    milliseconds = revision.spec.request_settings.request_timeout_ms
    return DEFAULT_TIMEOUT if milliseconds is None else milliseconds / 1000


def liveness(revision: Revision) -> Probe | None:
    """How the file wants workers to be watched; None: only their processes are."""
    return _probe(revision.spec.liveness_probe)


def _probe(wanted: online_deployment.Probe | None) -> Probe | None:
    if wanted is None:
        return None
    return Probe(
        wanted.initial_delay, wanted.period, wanted.timeout, wanted.failure_threshold, wanted.success_threshold
    )
