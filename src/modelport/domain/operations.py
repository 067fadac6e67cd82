"""``ControlPlane``: everything that can be done, as one list. Done by ``control.local``, said over HTTP by ``client``.

Operations write what is wanted and return; what becomes of it is told by the object's ``provisioning_state``.

Raises, everywhere: Unauthenticated, PermissionDenied (the same for what exists and what does not), InvalidInput, NotFound,
Conflict (something else is going on with the same object, or a step that its state does not allow).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol

from modelport.domain.access import Grant, User
from modelport.domain.credentials import Credentials
from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.domain.model import Model, ModelSpec
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpoint, OnlineEndpointSpec
from modelport.domain.seen import AuditEntry, Minute

KeyType = Literal["primary", "secondary"]
Container = Literal["inference-server", "storage-initializer"]
"""A deployment's two logs: what its workers write, and how its model and environment were prepared."""


class ControlPlane(Protocol):
    """One user's view; ``changes`` are keys of the object's file with their new values, None: the default again."""

    # -- content -------------------------------------------------------------------------------------------------------

    def has_content(self, path: str) -> bool:
        """Whether this ``content://HASH/NAME`` was uploaded before."""

    def upload_content(self, archive: BinaryIO) -> str:
        """Keep what a tar archive holds, one folder or file; its ``content://HASH/NAME``."""

    # -- models --------------------------------------------------------------------------------------------------------

    def create_model(self, spec: ModelSpec) -> Model:
        """Register a version. The same name and version again is a Conflict, unless nothing differs."""

    def get_model(self, name: str, version: str | None = None, label: str | None = None) -> Model:
        """One version; neither version nor label: the latest."""

    def list_models(self, name: str | None = None, archived: bool | None = False) -> list[Model]:
        """Newest first. ``archived``: only those, None: all."""

    def update_model(self, name: str, version: str, changes: dict[str, Any]) -> Model:
        """Description, tags, properties or stage; the rest of a version never changes."""

    def archive_model(self, name: str, version: str | None, archived: bool) -> None:
        """Hide from lists, or show again; without a version all of them."""

    def download_model(self, name: str, version: str) -> Iterator[bytes]:
        """A tar archive of the content."""

    # -- environments --------------------------------------------------------------------------------------------------

    def create_environment(self, spec: EnvironmentSpec) -> Environment: ...

    def get_environment(self, name: str, version: str | None = None, label: str | None = None) -> Environment: ...

    def list_environments(self, name: str | None = None, archived: bool | None = False) -> list[Environment]: ...

    def archive_environment(self, name: str, version: str | None, archived: bool) -> None: ...

    # -- online endpoints ----------------------------------------------------------------------------------------------

    def create_online_endpoint(self, spec: OnlineEndpointSpec) -> OnlineEndpoint:
        """An existing one is overwritten, and keeps its deployments and keys. A new one can have no traffic."""

    def get_online_endpoint(self, name: str) -> OnlineEndpoint: ...

    def list_online_endpoints(self) -> list[OnlineEndpoint]:
        """By name."""

    def update_online_endpoint(self, name: str, changes: dict[str, Any]) -> OnlineEndpoint:
        """Deployments that ``traffic`` does not name keep their share."""

    def delete_online_endpoint(self, name: str) -> None:
        """With all of its deployments."""

    def get_credentials(self, name: str) -> Credentials:
        """Both keys, or a new token."""

    def regenerate_keys(self, name: str, key_type: KeyType) -> Credentials:
        """Another key in the place of this one, which stops at once."""

    # -- online deployments --------------------------------------------------------------------------------------------

    def create_online_deployment(self, spec: OnlineDeploymentSpec, all_traffic: bool = False) -> OnlineDeployment:
        """An existing one is a Conflict. ``all_traffic``: it gets all of it once it has succeeded."""

    def get_online_deployment(self, endpoint_name: str, name: str) -> OnlineDeployment: ...

    def list_online_deployments(self, endpoint_name: str) -> list[OnlineDeployment]:
        """By name."""

    def update_online_deployment(self, endpoint_name: str, name: str, changes: dict[str, Any]) -> OnlineDeployment:
        """Served as before until the new one is ready; for ever, if it does not become so."""

    def delete_online_deployment(self, endpoint_name: str, name: str) -> None:
        """Once it has answered what it was asked. One that has live traffic is a Conflict."""

    def get_logs(
        self, endpoint_name: str, name: str, lines: int = 5000, container: Container = "inference-server"
    ) -> str:
        """The last lines."""

    # -- users ---------------------------------------------------------------------------------------------------------

    def create_user(self, name: str, grants: list[Grant]) -> tuple[User, str]:
        """The user and its key, which is told this one time."""

    def list_users(self) -> list[User]: ...

    def delete_user(self, name: str) -> None:
        """Its key stops at once."""

    # -- seeing --------------------------------------------------------------------------------------------------------

    def get_history(self, endpoint_name: str, since: datetime) -> list[Minute]:
        """What was counted, minute by minute, for each deployment; oldest first."""

    def list_audit(self, limit: int = 100, since: datetime | None = None) -> list[AuditEntry]:
        """Who changed what, and who was refused; the newest, newest first."""

    def get_metrics(self) -> bytes:
        """In Prometheus' text format."""

    def get_status(self) -> dict[str, Any]:
        """The server itself: version, addresses, processes, store, disk; what `doctor` looks at."""
