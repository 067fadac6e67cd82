"""``LocalControlPlane``: the operations, done. Each checks who asks, changes the store in one transaction, wakes what works."""

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

from modelport.control import assets, deployments, logs
from modelport.control.access import require
from modelport.control.assets import now
from modelport.control.refusals import Refusals
from modelport.control.secret import Secret, digest, new_key, new_token
from modelport.domain.access import IMPLIED, Grant, Principal, Scope, User
from modelport.domain.credentials import Credentials
from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.domain.model import CHANGEABLE, Model, ModelSpec
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpoint, OnlineEndpointSpec
from modelport.domain.operations import Container, KeyType
from modelport.domain.seen import AuditEntry, Minute
from modelport.domain.states import ProvisioningState, step
from modelport.errors import Conflict, InvalidInput, NotFound, PermissionDenied, StoreFailed
from modelport.settings import UpSettings
from modelport.store.content import ContentStore
from modelport.store.store import Store
from modelport.store.transaction import Transaction

log = logging.getLogger("modelport.control")

LONGEST = 64
"""Characters of a name that was asked for and refused: it was not looked at."""
SLOTS: tuple[KeyType, ...] = ("primary", "secondary")
_STATES = ProvisioningState


@dataclass(frozen=True)
class Control:
    """What the planes of all users share. ``wake`` has whatever works look at what is wanted."""

    store: Store
    content: ContentStore
    secret: Secret
    settings: UpSettings
    wake: Callable[[], None]
    settle: Callable[[], None]
    """Wakes it, and returns when what is wanted is in force."""
    metrics: Callable[[], bytes]
    status: Callable[[], dict[str, Any]]
    ready: Callable[[str], int]
    """Deployment's id → how many of its workers can be given requests."""
    refusals: Refusals = field(default_factory=Refusals)


class LocalControlPlane:
    """``domain.operations.ControlPlane`` for one principal."""

    def __init__(self, control: Control, principal: Principal) -> None:
        self._control = control
        self._principal = principal
        self._store = control.store

    def acting_as(self, principal: Principal) -> "LocalControlPlane":
        """The same for somebody else."""
        return LocalControlPlane(self._control, principal)

    def _audit(self, transaction: Transaction, operation: str, what: str, **details: Any) -> None:
        entry = AuditEntry(at=now(), who=self._principal.name, operation=operation, what=what, details=details)
        transaction.add_audit(entry)

    def _require(self, operation: str, scope: Scope, endpoint: str | None = None) -> None:
        """Go on only if a grant covers it. What is refused is in the audit trail, as far as ``Refusals`` has room for it.

        Raises:
            PermissionDenied: none does. It says the same of what exists and what does not.
        """
        try:
            require(self._principal, scope, endpoint)
        except PermissionDenied:
            self._note_refusal(
                operation, "server" if endpoint is None else f"online-endpoint/{endpoint[:LONGEST]}", scope
            )
            raise

    def _note_refusal(self, operation: str, what: str, scope: Scope) -> None:
        who = self._principal.name
        if not self._control.refusals.is_noted(who):
            return
        entry = AuditEntry(
            at=now(), who=who, operation=operation, what=what, details={"scope": scope}, outcome="refused"
        )
        try:
            with self._store.writing() as transaction:
                transaction.add_audit(entry)
        except StoreFailed as error:
            log.error("%s was refused %s on %s, which is not in the audit trail: %s", who, operation, what, error)

    def _endpoint(self, transaction: Transaction, name: str) -> OnlineEndpoint:
        endpoint = transaction.endpoint(name)
        if endpoint is not None:
            return self._addressed(endpoint)
        names = [other.name for other in transaction.endpoints() if self._principal.may("read", other.name)][:10]
        hint = f"There is {', '.join(names)}." if names else "`modelport online-endpoint list` shows what there is."
        raise NotFound(f"there is no endpoint {name!r}", hint=hint)

    def _addressed(self, endpoint: OnlineEndpoint) -> OnlineEndpoint:
        """With the addresses it is reached at now."""
        address = f"{self._control.settings.scoring_url}/endpoints/{endpoint.name}"
        return endpoint.model_copy(update={"scoring_uri": f"{address}/score", "openapi_uri": f"{address}/swagger.json"})

    def _deployment(self, transaction: Transaction, endpoint_name: str, name: str) -> OnlineDeployment:
        endpoint = self._endpoint(transaction, endpoint_name)
        deployment = transaction.deployment(endpoint.name, name)
        if deployment is not None:
            return deployment
        names = ", ".join(deployment.name for deployment in transaction.deployments(endpoint.name))
        hint = f"There is {names}." if names else "It has none."
        raise NotFound(f"there is no deployment {name!r} of endpoint {endpoint.name!r}", hint=hint)

    # -- content -------------------------------------------------------------------------------------------------------

    def has_content(self, path: str) -> bool:
        self._require("has_content", "deploy")
        return self._control.content.has(path)

    def upload_content(self, archive: BinaryIO) -> str:
        self._require("upload_content", "deploy")
        return self._control.content.add(archive)

    # -- models --------------------------------------------------------------------------------------------------------

    def create_model(self, spec: ModelSpec) -> Model:
        self._require("create_model", "deploy")
        if spec.name is None:
            raise InvalidInput("a model needs a name", hint="--name, or `name` in the file")
        with self._store.writing() as transaction:
            model, is_new = assets.register_model(transaction, self._control.content, spec, self._principal.name)
            if is_new:
                self._audit(transaction, "create_model", f"model/{model.id}")
            return model

    def get_model(self, name: str, version: str | None = None, label: str | None = None) -> Model:
        self._require("get_model", "read")
        with self._store.reading() as transaction:
            return assets.find_model(transaction, name, version, label)

    def list_models(self, name: str | None = None, archived: bool | None = False) -> list[Model]:
        self._require("list_models", "read")
        with self._store.reading() as transaction:
            return transaction.models(name, archived)

    def update_model(self, name: str, version: str, changes: dict[str, Any]) -> Model:
        self._require("update_model", "deploy")
        fixed = [key for key in changes if key not in CHANGEABLE]
        if fixed:
            hint = f"Only {', '.join(CHANGEABLE)} may be changed; register another version for the rest."
            raise InvalidInput(f"a model's {', '.join(fixed)} never changes", hint=hint)
        with self._store.writing() as transaction:
            model = assets.find_model(transaction, name, version, None)
            changed = model.changed(changes, f"model {model.id}")
            transaction.replace_model(changed)
            self._audit(transaction, "update_model", f"model/{model.id}", keys=sorted(changes))
            return changed

    def archive_model(self, name: str, version: str | None, archived: bool) -> None:
        self._require("archive_model", "deploy")
        with self._store.writing() as transaction:
            found = transaction.models(name, None) if version is None else []
            for model in found or [assets.find_model(transaction, name, version, None)]:
                transaction.replace_model(model.model_copy(update={"is_archived": archived}))
                self._audit(transaction, "archive_model", f"model/{model.id}", archived=archived)

    def download_model(self, name: str, version: str) -> Iterator[bytes]:
        return self._control.content.read(self.get_model(name, version).path)

    # -- environments --------------------------------------------------------------------------------------------------

    def create_environment(self, spec: EnvironmentSpec) -> Environment:
        self._require("create_environment", "deploy")
        with self._store.writing() as transaction:
            environment, is_new = assets.register_environment(transaction, spec, self._principal.name)
            if is_new:
                self._audit(transaction, "create_environment", f"environment/{environment.id}")
            return environment

    def get_environment(self, name: str, version: str | None = None, label: str | None = None) -> Environment:
        self._require("get_environment", "read")
        with self._store.reading() as transaction:
            return assets.find_environment(transaction, name, version, label)

    def list_environments(self, name: str | None = None, archived: bool | None = False) -> list[Environment]:
        self._require("list_environments", "read")
        with self._store.reading() as transaction:
            return transaction.environments(name, archived)

    def archive_environment(self, name: str, version: str | None, archived: bool) -> None:
        self._require("archive_environment", "deploy")
        with self._store.writing() as transaction:
            found = transaction.environments(name, None) if version is None else []
            for environment in found or [assets.find_environment(transaction, name, version, None)]:
                transaction.replace_environment(environment.model_copy(update={"is_archived": archived}))
                self._audit(transaction, "archive_environment", f"environment/{environment.id}", archived=archived)

    # -- online endpoints ----------------------------------------------------------------------------------------------

    def create_online_endpoint(self, spec: OnlineEndpointSpec) -> OnlineEndpoint:
        self._require("create_online_endpoint", "deploy", spec.name)
        with self._store.writing() as transaction:
            before = transaction.endpoint(spec.name)
            if before is not None:
                changes = spec.model_dump(mode="json", exclude_unset=True, exclude={"name"})
                endpoint = self._changed_endpoint(
                    transaction, self._addressed(before), changes, "create_online_endpoint"
                )
            else:
                endpoint = self._new_endpoint(transaction, spec)
        self._control.wake()
        return endpoint

    def _new_endpoint(self, transaction: Transaction, spec: OnlineEndpointSpec) -> OnlineEndpoint:
        if spec.traffic or spec.mirror_traffic:
            raise InvalidInput(
                f"endpoint {spec.name!r} has no deployment yet that could be given traffic",
                hint="Leave `traffic` out; set it with update once there is a deployment.",
            )
        endpoint = OnlineEndpoint(
            **dict(spec),
            scoring_uri="",
            openapi_uri="",
            id=uuid.uuid4().hex,
            provisioning_state=_STATES.CREATING,
            created_at=now(),
            created_by=self._principal.name,
            notices=_notices(spec),
        )
        transaction.add_endpoint(endpoint)  # without its addresses, which are those of whoever runs it
        for slot in SLOTS:
            transaction.put_credential(self._control.secret.stored(endpoint.id, slot, 1))
        self._audit(transaction, "create_online_endpoint", f"online-endpoint/{endpoint.name}")
        return self._addressed(endpoint)

    def get_online_endpoint(self, name: str) -> OnlineEndpoint:
        name = name.lower()
        self._require("get_online_endpoint", "read", name)
        with self._store.reading() as transaction:
            return self._endpoint(transaction, name)

    def list_online_endpoints(self) -> list[OnlineEndpoint]:
        if not any("read" in IMPLIED[grant.scope] for grant in self._principal.grants):
            self._require("list_online_endpoints", "read")
        with self._store.reading() as transaction:
            found = transaction.endpoints()
        mine = [endpoint for endpoint in found if self._principal.may("read", endpoint.name)]
        return [self._addressed(endpoint) for endpoint in mine]

    def update_online_endpoint(self, name: str, changes: dict[str, Any]) -> OnlineEndpoint:
        name = name.lower()
        self._require("update_online_endpoint", "deploy", name)
        with self._store.writing() as transaction:
            before = self._endpoint(transaction, name)
            endpoint = self._changed_endpoint(transaction, before, changes, "update_online_endpoint")
        self._control.wake()
        return endpoint

    def _changed_endpoint(
        self, transaction: Transaction, before: OnlineEndpoint, changes: dict[str, Any], operation: str
    ) -> OnlineEndpoint:
        if changes.get("name", before.name) != before.name:
            raise InvalidInput("an endpoint's name never changes", hint="Create another one.")
        if isinstance(changes.get("traffic"), dict):
            changes = {**changes, "traffic": before.traffic_with(changes["traffic"])}
        spec = OnlineEndpointSpec(**before.model_dump(include=set(OnlineEndpointSpec.model_fields)))
        wanted = spec.changed(changes, f"the change of endpoint {before.name!r}")
        deployments.check_traffic(transaction, wanted)
        state = step(before.provisioning_state, _STATES.UPDATING, f"endpoint {before.name!r}")
        traffic = {name: percent for name, percent in wanted.traffic.items() if percent}
        after = before.model_copy(
            update={**dict(wanted), "traffic": traffic, "provisioning_state": state, "notices": _notices(wanted)}
        )
        transaction.replace_endpoint(after)
        self._audit(transaction, operation, f"online-endpoint/{before.name}", **changes)
        return after

    def delete_online_endpoint(self, name: str) -> None:
        name = name.lower()
        self._require("delete_online_endpoint", "deploy", name)
        with self._store.writing() as transaction:
            endpoint = self._endpoint(transaction, name)
            if endpoint.provisioning_state == _STATES.DELETING:
                return
            state = step(endpoint.provisioning_state, _STATES.DELETING, f"endpoint {name!r}")
            for deployment in transaction.deployments(name):
                transaction.replace_deployment(deployment.model_copy(update={"provisioning_state": _STATES.DELETING}))
            cleared = {"provisioning_state": state, "traffic": {}, "mirror_traffic": {}}
            transaction.replace_endpoint(endpoint.model_copy(update=cleared))
            self._audit(transaction, "delete_online_endpoint", f"online-endpoint/{name}")
        self._control.wake()

    def get_credentials(self, name: str) -> Credentials:
        name = name.lower()
        self._require("get_credentials", "deploy", name)
        with self._store.writing() as transaction:
            endpoint = self._endpoint(transaction, name)
            self._audit(transaction, "get_credentials", f"online-endpoint/{name}")
            if endpoint.auth_mode == "key":
                return self._control.secret.keys(endpoint.id, _generations(transaction, endpoint.id))
            token, stored = new_token(endpoint.id)
            transaction.put_credential(stored)
        self._control.settle()
        return token

    def regenerate_keys(self, name: str, key_type: KeyType) -> Credentials:
        name = name.lower()
        self._require("regenerate_keys", "deploy", name)
        if key_type not in SLOTS:
            raise InvalidInput(f"there is no {key_type!r} key", hint="There is primary and secondary.")
        with self._store.writing() as transaction:
            endpoint = self._endpoint(transaction, name)
            if endpoint.auth_mode != "key":
                raise Conflict(f"endpoint {name!r} has tokens, not keys", hint="`get-credentials` makes a token.")
            generations = _generations(transaction, endpoint.id)
            generations[key_type] += 1
            stored = self._control.secret.stored(endpoint.id, key_type, generations[key_type])
            transaction.put_credential(stored)
            self._audit(transaction, "regenerate_keys", f"online-endpoint/{name}", key=key_type)
        self._control.settle()
        return self._control.secret.keys(endpoint.id, generations)

    # -- online deployments --------------------------------------------------------------------------------------------

    def create_online_deployment(self, spec: OnlineDeploymentSpec, all_traffic: bool = False) -> OnlineDeployment:
        self._require("create_online_deployment", "deploy", spec.endpoint_name)
        if isinstance(spec.model, ModelSpec):
            self._require(
                "create_online_deployment", "deploy"
            )  # it registers a model, which is there for every endpoint
        with self._store.writing() as transaction:
            endpoint = self._endpoint(transaction, spec.endpoint_name)
            if endpoint.provisioning_state == _STATES.DELETING:
                raise Conflict(f"endpoint {endpoint.name!r} is being deleted")
            deployment = deployments.create(
                transaction, self._control.content, spec, self._principal.name, all_traffic=all_traffic
            )
            self._audit(transaction, "create_online_deployment", _of(deployment), all_traffic=all_traffic)
        self._control.wake()
        return deployment

    def get_online_deployment(self, endpoint_name: str, name: str) -> OnlineDeployment:
        endpoint_name, name = endpoint_name.lower(), name.lower()
        self._require("get_online_deployment", "read", endpoint_name)
        with self._store.reading() as transaction:
            return self._seen(self._deployment(transaction, endpoint_name, name))

    def list_online_deployments(self, endpoint_name: str) -> list[OnlineDeployment]:
        endpoint_name = endpoint_name.lower()
        self._require("list_online_deployments", "read", endpoint_name)
        with self._store.reading() as transaction:
            self._endpoint(transaction, endpoint_name)
            return [self._seen(deployment) for deployment in transaction.deployments(endpoint_name)]

    def _seen(self, deployment: OnlineDeployment) -> OnlineDeployment:
        return deployment.model_copy(update={"ready_instances": self._control.ready(deployment.id)})

    def update_online_deployment(self, endpoint_name: str, name: str, changes: dict[str, Any]) -> OnlineDeployment:
        endpoint_name, name = endpoint_name.lower(), name.lower()
        self._require("update_online_deployment", "deploy", endpoint_name)
        if isinstance(changes.get("model"), dict):
            self._require("update_online_deployment", "deploy")
        with self._store.writing() as transaction:
            before = self._deployment(transaction, endpoint_name, name)
            after = deployments.update(transaction, self._control.content, before, changes, self._principal.name)
            self._audit(transaction, "update_online_deployment", _of(before), keys=sorted(changes))
        self._control.wake()
        return after

    def delete_online_deployment(self, endpoint_name: str, name: str) -> None:
        endpoint_name, name = endpoint_name.lower(), name.lower()
        self._require("delete_online_deployment", "deploy", endpoint_name)
        with self._store.writing() as transaction:
            deployment = self._deployment(transaction, endpoint_name, name)
            if deployment.provisioning_state == _STATES.DELETING:
                return
            endpoint = self._endpoint(transaction, endpoint_name)
            deployments.check_unused(endpoint, name)
            state = step(deployment.provisioning_state, _STATES.DELETING, f"deployment {name!r}")
            transaction.replace_deployment(deployment.model_copy(update={"provisioning_state": state}))
            if name in endpoint.mirror_traffic:
                transaction.replace_endpoint(endpoint.model_copy(update={"mirror_traffic": {}}))
            self._audit(transaction, "delete_online_deployment", _of(deployment))
        self._control.wake()

    def get_logs(
        self, endpoint_name: str, name: str, lines: int = 5000, container: Container = "inference-server"
    ) -> str:
        endpoint_name, name = endpoint_name.lower(), name.lower()
        self._require("get_logs", "read", endpoint_name)
        with self._store.reading() as transaction:
            deployment = self._deployment(transaction, endpoint_name, name)
        return logs.last_lines(logs.path(self._control.settings.home, deployment, container), lines)

    # -- users ---------------------------------------------------------------------------------------------------------

    def create_user(self, name: str, grants: list[Grant]) -> tuple[User, str]:
        self._require("create_user", "admin")
        user = User.read({"name": name, "grants": [dict(grant) for grant in grants], "created_at": now()}, "the user")
        key = new_key()
        with self._store.writing() as transaction:
            if transaction.user(user.name) is not None or user.name == "admin":
                raise Conflict(f"there is a user {user.name!r}")
            transaction.add_user(user, digest(key))
            self._audit(transaction, "create_user", f"user/{user.name}")
        self._control.settle()
        return user, key

    def list_users(self) -> list[User]:
        self._require("list_users", "admin")
        with self._store.reading() as transaction:
            return transaction.users()

    def delete_user(self, name: str) -> None:
        name = name.lower()
        self._require("delete_user", "admin")
        with self._store.writing() as transaction:
            if transaction.user(name) is None:
                raise NotFound(f"there is no user {name!r}")
            transaction.remove_user(name)
            self._audit(transaction, "delete_user", f"user/{name}")
        self._control.settle()

    # -- seeing --------------------------------------------------------------------------------------------------------

    def get_history(self, endpoint_name: str, since: datetime) -> list[Minute]:
        endpoint_name = endpoint_name.lower()
        self._require("get_history", "read", endpoint_name)
        with self._store.reading() as transaction:
            self._endpoint(transaction, endpoint_name)
            return transaction.minutes(endpoint_name, since)

    def list_audit(self, limit: int = 100, since: datetime | None = None) -> list[AuditEntry]:
        self._require("list_audit", "admin")
        with self._store.reading() as transaction:
            return transaction.audit(limit, since)

    def get_metrics(self) -> bytes:
        self._require("get_metrics", "read")
        return self._control.metrics()

    def get_status(self) -> dict[str, Any]:
        self._require("get_status", "read")
        return self._control.status()


def _notices(spec: OnlineEndpointSpec) -> list[str]:
    """What of an endpoint only means something in Azure."""
    given = {
        "compute": spec.compute is not None,
        "identity": spec.identity is not None,
        "public_network_access: disabled": spec.public_network_access == "disabled",
    }
    hints = {"public_network_access: disabled": "; `up --scoring-host` says who reaches it"}
    return [f"{key} only means something in Azure{hints.get(key, '')}" for key, is_given in given.items() if is_given]


def _generations(transaction: Transaction, endpoint_id: str) -> dict[str, int]:
    return {stored.slot: stored.generation for stored in transaction.credentials(endpoint_id) if stored.slot in SLOTS}


def _of(deployment: OnlineDeployment) -> str:
    return f"online-deployment/{deployment.endpoint_name}/{deployment.name}"
