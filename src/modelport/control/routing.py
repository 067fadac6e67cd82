"""The table for the supervisor, made of what the store says: nothing else goes into it."""

import time
from dataclasses import replace

from modelport.domain.access import Principal
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpoint
from modelport.domain.revision import Revision
from modelport.domain.states import ProvisioningState
from modelport.settings import DEFAULT_TIMEOUT
from modelport.store.transaction import Transaction
from modelport.supervisor.table import (
    Credential,
    DeploymentRoute,
    EndpointRoute,
    Liveness,
    Mirror,
    Table,
    WantedWorkers,
)

MAX_OPEN = 1024
"""Requests of a deployment that may be open at once, in each scoring process, where its file sets no limit."""


def table(transaction: Transaction) -> Table:
    """Everything that is wanted now, without a version."""
    deployments = {deployment.id: deployment for deployment in transaction.deployments()}
    wanted: list[WantedWorkers] = []
    live: dict[str, Revision] = {}
    for revision in transaction.revisions():
        deployment = deployments.get(revision.deployment_id)
        if deployment is None or deployment.provisioning_state == ProvisioningState.DELETING:
            continue
        if revision.workers is not None and revision.state in ("starting", "live"):
            workers = workers_from_dict(revision.workers)
            wanted.append(replace(workers, has_answered=revision.state == "live"))
        if revision.state == "live":
            live[revision.deployment_id] = revision
    by_endpoint: dict[str, list[tuple[OnlineDeployment, Revision]]] = {}
    for id, revision in live.items():
        by_endpoint.setdefault(deployments[id].endpoint_name, []).append((deployments[id], revision))
    endpoints = [
        _endpoint(transaction, endpoint, by_endpoint.get(endpoint.name, []))
        for endpoint in transaction.endpoints()
        if endpoint.provisioning_state != ProvisioningState.DELETING
    ]
    return Table(0, wanted, endpoints)


def workers_from_dict(data: dict[str, object]) -> WantedWorkers:
    """What a revision keeps of its workers."""
    return Table.from_dict({"version": 0, "workers": [data], "endpoints": []}).workers[0]


def _endpoint(
    transaction: Transaction, endpoint: OnlineEndpoint, deployments: list[tuple[OnlineDeployment, Revision]]
) -> EndpointRoute:
    routes = [_deployment(endpoint, deployment, revision) for deployment, revision in deployments]
    there = {route.name for route in routes}
    mirrors = [Mirror(name, percent) for name, percent in endpoint.mirror_traffic.items() if name in there]
    return EndpointRoute(
        endpoint.name,
        _credentials(transaction, endpoint),
        sorted(routes, key=lambda route: route.name),
        mirrors[0] if mirrors else None,
        endpoint.properties.get("modelport.pass_client_errors", "").lower() == "true",
    )


def _credentials(transaction: Transaction, endpoint: OnlineEndpoint) -> list[Credential]:
    """Of the endpoint itself, and of every user who may invoke it."""
    slots = ("primary", "secondary") if endpoint.auth_mode == "key" else ("token",)
    now = time.time()
    found = [
        Credential(stored.digest, stored.expires)
        for stored in transaction.credentials(endpoint.id)
        if stored.slot in slots and (stored.expires is None or stored.expires > now)
    ]
    digests = transaction.digests()
    for user in transaction.users():
        if Principal(user.name, tuple(user.grants)).may("invoke", endpoint.name):
            found.append(Credential(digests[user.name]))
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


def liveness(revision: Revision) -> Liveness | None:
    """How the file wants workers to be watched; None: only their processes are."""
    probe = revision.spec.liveness_probe
    if probe is None:
        return None
    return Liveness(probe.initial_delay, probe.period, probe.timeout, probe.failure_threshold)
