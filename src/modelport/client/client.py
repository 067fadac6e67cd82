"""``Client``: the operations, each one request; and what makes them handy from outside."""

import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError

from modelport.client import files, invoking, waiting
from modelport.client.address import find_key, find_scoring_url, find_url, own_key
from modelport.client.connection import CHUNK, Connection
from modelport.client.connection import path as _path
from modelport.client.errors import NotReachable
from modelport.client.invoking import Access
from modelport.client.paths import is_uploaded, local_path
from modelport.client.reading import read_file
from modelport.client.waiting import OnState
from modelport.domain.access import Grant, User
from modelport.domain.content import archive, digest_of
from modelport.domain.credentials import Credentials
from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.domain.kind import Kind
from modelport.domain.model import Model, ModelSpec
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpoint, OnlineEndpointSpec
from modelport.domain.operations import Container, KeyType
from modelport.domain.seen import AuditEntry, Minute
from modelport.errors import InvalidInput, PermissionDenied, Unauthenticated

TIMEOUT = 60.0
"""Seconds without a byte after which an answer is not waited for any longer."""
_T = TypeVar("_T")


@functools.cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def _said(kind: Kind) -> dict[str, Any]:
    """What is said of it, without what goes without saying."""
    return kind.model_dump(mode="json", exclude_unset=True)


def _archived(archived: bool | None) -> str:
    return "any" if archived is None else str(archived).lower()


class _Credentials(RootModel[Credentials]):
    pass


class _CreatedUser(BaseModel):
    user: User
    key: str


class Client:
    """A server's ``ControlPlane`` over HTTP. Local paths in what is created or changed are uploaded on the way.

    ``url``: else ``MODELPORT_URL``, else this machine's. ``key``: else ``MODELPORT_KEY``, else the admin key of this machine,
    which is told to this machine only. ``verify``: False takes any certificate; a path, the authorities to check it with.
    Safe to use from several threads.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        verify: bool | str = True,
        timeout: float = TIMEOUT,
    ) -> None:
        self.url = find_url(url)
        self._own_key = own_key(key)
        self._connection = Connection(self.url, find_key(key, self.url), verify=verify, timeout=timeout)
        self._access: dict[str, Access] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()

    # -- content -------------------------------------------------------------------------------------------------------

    def has_content(self, path: str) -> bool:
        """Whether this ``content://HASH/NAME`` was uploaded before."""
        digest, _, name = path.removeprefix("content://").partition("/")
        if not is_uploaded(path):
            raise InvalidInput(f"{path!r} is no content", hint="content://HASH/NAME, as it was told at the upload.")
        return self._connection.ask("HEAD", _path("contents", digest, name), missing_is_none=True) is not None

    def upload_content(self, archive: BinaryIO) -> str:
        """Keep what a tar archive holds, one folder or file; its ``content://HASH/NAME``."""
        return self._send(iter(lambda: archive.read(CHUNK), b""))

    def upload(self, path: str | Path) -> str:
        """Keep a local file or folder, unless it was kept before; its ``content://HASH/NAME``."""
        local = local_path(str(path))
        content = f"content://{digest_of(local)}/{local.name}"
        return content if self.has_content(content) else self._send(archive(local))

    # -- models --------------------------------------------------------------------------------------------------------

    def create_model(self, spec: ModelSpec) -> Model:
        """Register a version. The same name and version again is a Conflict, unless nothing differs."""
        return self._ask(Model, "POST", _path("models"), json=self._uploaded(spec))

    def get_model(self, name: str, version: str | None = None, label: str | None = None) -> Model:
        """One version; neither version nor label: the latest."""
        return self._get_asset(Model, "models", name, version, label)

    def list_models(self, name: str | None = None, archived: bool | None = False) -> list[Model]:
        """Newest first. ``archived``: only those, None: all."""
        return self._ask(list[Model], "GET", _path("models"), {"name": name, "archived": _archived(archived)})

    def update_model(self, name: str, version: str, changes: dict[str, Any]) -> Model:
        """Description, tags, properties or stage; the rest of a version never changes."""
        return self._ask(Model, "PATCH", _path("models", name, "versions", version), json=changes)

    def archive_model(self, name: str, version: str | None, archived: bool) -> None:
        """Hide from lists, or show again; without a version all of them."""
        query = {"version": version, "archived": archived}
        self._connection.ask("POST", _path("models", name, "archive"), query, repeatable=True)

    def download_model(self, name: str, version: str) -> Iterator[bytes]:
        """A tar archive of the content."""
        return self._connection.stream(_path("models", name, "versions", version, "content"))

    # -- environments --------------------------------------------------------------------------------------------------

    def create_environment(self, spec: EnvironmentSpec) -> Environment:
        """Register a version. The same name and version again is a Conflict, unless nothing differs."""
        return self._ask(Environment, "POST", _path("environments"), json=self._uploaded(spec))

    def get_environment(self, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """One version; neither version nor label: the latest."""
        return self._get_asset(Environment, "environments", name, version, label)

    def list_environments(self, name: str | None = None, archived: bool | None = False) -> list[Environment]:
        """Newest first. ``archived``: only those, None: all."""
        query = {"name": name, "archived": _archived(archived)}
        return self._ask(list[Environment], "GET", _path("environments"), query)

    def archive_environment(self, name: str, version: str | None, archived: bool) -> None:
        """Hide from lists, or show again; without a version all of them."""
        query = {"version": version, "archived": archived}
        self._connection.ask("POST", _path("environments", name, "archive"), query, repeatable=True)

    # -- online endpoints ----------------------------------------------------------------------------------------------

    def create_online_endpoint(self, spec: OnlineEndpointSpec) -> OnlineEndpoint:
        """An existing one is overwritten, and keeps its deployments and keys. A new one can have no traffic."""
        where = _path("online-endpoints", spec.name)
        return self._ask(OnlineEndpoint, "PUT", where, json=_said(spec), repeatable=True)

    def get_online_endpoint(self, name: str) -> OnlineEndpoint:
        """One, as it is now."""
        return self._ask(OnlineEndpoint, "GET", _path("online-endpoints", name))

    def list_online_endpoints(self) -> list[OnlineEndpoint]:
        """By name."""
        return self._ask(list[OnlineEndpoint], "GET", _path("online-endpoints"))

    def update_online_endpoint(self, name: str, changes: dict[str, Any]) -> OnlineEndpoint:
        """Deployments that ``traffic`` does not name keep their share."""
        return self._ask(OnlineEndpoint, "PATCH", _path("online-endpoints", name), json=changes)

    def delete_online_endpoint(self, name: str) -> None:
        """With all of its deployments. It goes in the background."""
        self._connection.ask("DELETE", _path("online-endpoints", name))

    def get_credentials(self, name: str) -> Credentials:
        """Both keys, or a new token."""
        return self._ask(_Credentials, "GET", _path("online-endpoints", name, "credentials")).root

    def regenerate_keys(self, name: str, key_type: KeyType) -> Credentials:
        """Another key in the place of this one, which stops at once."""
        where = _path("online-endpoints", name, "keys", key_type, "regenerate")
        return self._ask(_Credentials, "POST", where).root

    # -- online deployments --------------------------------------------------------------------------------------------

    def create_online_deployment(self, spec: OnlineDeploymentSpec, all_traffic: bool = False) -> OnlineDeployment:
        """An existing one is a Conflict. ``all_traffic``: it gets all of it once it has succeeded."""
        where = _path("online-endpoints", spec.endpoint_name, "deployments", spec.name)
        query = {"all_traffic": all_traffic}
        return self._ask(OnlineDeployment, "PUT", where, query, json=self._uploaded(spec))

    def get_online_deployment(self, endpoint_name: str, name: str) -> OnlineDeployment:
        """One, as it is now."""
        return self._ask(OnlineDeployment, "GET", _path("online-endpoints", endpoint_name, "deployments", name))

    def list_online_deployments(self, endpoint_name: str) -> list[OnlineDeployment]:
        """By name."""
        return self._ask(list[OnlineDeployment], "GET", _path("online-endpoints", endpoint_name, "deployments"))

    def update_online_deployment(self, endpoint_name: str, name: str, changes: dict[str, Any]) -> OnlineDeployment:
        """Served as before until the new one is ready; for ever, if it does not become so."""
        where = _path("online-endpoints", endpoint_name, "deployments", name)
        return self._ask(OnlineDeployment, "PATCH", where, json=self._placed(OnlineDeploymentSpec, changes))

    def delete_online_deployment(self, endpoint_name: str, name: str) -> None:
        """Once it has answered what it was asked. One that has live traffic is a Conflict."""
        self._connection.ask("DELETE", _path("online-endpoints", endpoint_name, "deployments", name))

    def get_logs(
        self, endpoint_name: str, name: str, lines: int = 5000, container: Container = "inference-server"
    ) -> str:
        """The last lines."""
        where = _path("online-endpoints", endpoint_name, "deployments", name, "logs")
        return self._bytes("GET", where, {"lines": lines, "container": container}).decode("utf-8", "replace")

    # -- users ---------------------------------------------------------------------------------------------------------

    def create_user(self, name: str, grants: list[Grant]) -> tuple[User, str]:
        """The user and its key, which is told this one time."""
        new = {"name": name, "grants": [_said(grant) for grant in grants]}
        created = self._ask(_CreatedUser, "POST", _path("users"), json=new)
        return created.user, created.key

    def list_users(self) -> list[User]:
        """By name."""
        return self._ask(list[User], "GET", _path("users"))

    def delete_user(self, name: str) -> None:
        """Its key stops at once."""
        self._connection.ask("DELETE", _path("users", name))

    # -- seeing --------------------------------------------------------------------------------------------------------

    def get_history(self, endpoint_name: str, since: datetime) -> list[Minute]:
        """What was counted, minute by minute, for each deployment; oldest first. ``since`` without a zone is local time."""
        query = {"endpoint_name": endpoint_name, "since": since.astimezone().isoformat()}
        return self._ask(list[Minute], "GET", _path("history"), query)

    def list_audit(self, limit: int = 100, since: datetime | None = None) -> list[AuditEntry]:
        """Who changed what, and who was refused; the newest, newest first. ``since`` without a zone is local time."""
        query = {"limit": limit, "since": None if since is None else since.astimezone().isoformat()}
        return self._ask(list[AuditEntry], "GET", _path("audit"), query)

    def get_metrics(self) -> bytes:
        """In Prometheus' text format."""
        return self._bytes("GET", "/metrics")

    def get_status(self) -> dict[str, Any]:
        """The server itself: version, addresses, processes, store, disk; what `doctor` looks at."""
        return self._ask(dict[str, Any], "GET", _path("status"))

    # -- beside the operations -----------------------------------------------------------------------------------------

    def wait_for_online_endpoint(
        self, name: str, *, timeout: float | None = None, on_state: OnState | None = None
    ) -> OnlineEndpoint:
        """It, once it is as it was wanted; ProvisioningFailed if it will not be. ``on_state(state, seconds)`` now and then."""
        return waiting.until_final(
            lambda: self.get_online_endpoint(name), f"online endpoint {name!r}", timeout, on_state
        )

    def wait_for_online_deployment(
        self, endpoint_name: str, name: str, *, timeout: float | None = None, on_state: OnState | None = None
    ) -> OnlineDeployment:
        """It, once it answers as it was wanted; ProvisioningFailed if it will not."""
        get = functools.partial(self.get_online_deployment, endpoint_name, name)
        return waiting.until_final(get, f"online deployment {name!r}", timeout, on_state)

    def wait_until_online_endpoint_is_gone(
        self, name: str, *, timeout: float | None = None, on_state: OnState | None = None
    ) -> None:
        """Nothing is left of it; ProvisioningFailed if it stays."""
        waiting.until_gone(lambda: self.get_online_endpoint(name), f"online endpoint {name!r}", timeout, on_state)

    def wait_until_online_deployment_is_gone(
        self, endpoint_name: str, name: str, *, timeout: float | None = None, on_state: OnState | None = None
    ) -> None:
        """Nothing is left of it; ProvisioningFailed if it stays."""
        get = functools.partial(self.get_online_deployment, endpoint_name, name)
        waiting.until_gone(get, f"online deployment {name!r}", timeout, on_state)

    def invoke(
        self,
        endpoint: str,
        data: Any = None,
        *,
        request_file: str | Path | None = None,
        deployment: str | None = None,
    ) -> bytes:
        """What the endpoint answers to ``data`` (bytes and text as they are, else JSON), or to a file's content.

        It is asked with its own key. A key that may not see that one is sent itself: a user's with a grant to invoke, or a key
        of the endpoint. Where it may see nothing at all, ``MODELPORT_SCORING_URL`` tells the address for predictions; without,
        it is the port after the server's.
        """
        if (data is None) == (request_file is None):
            raise InvalidInput("one of data and a request file is wanted")
        body = invoking.as_body(data) if request_file is None else local_path(str(request_file)).read_bytes()
        return self._ask_endpoint(endpoint, lambda access: access.scoring_uri, body, deployment)

    def get_openapi(self, endpoint: str, version: str = "3") -> dict[str, Any]:
        """The document of what an endpoint takes and answers, of the deployment that has its traffic."""
        answer = self._ask_endpoint(endpoint, lambda access: f"{access.openapi_uri}?version={version}", None, None)
        return self._read(dict[str, Any], answer)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _ask_endpoint(
        self, endpoint: str, url: Callable[[Access], str], body: bytes | None, deployment: str | None
    ) -> bytes:
        known = self._access.get(endpoint)
        answer = invoking.ask(self._connection, known, url(known), body, deployment) if known is not None else None
        if answer is None:  # not asked yet, or its key was made anew
            access = self._access_to(endpoint)
            answer = invoking.ask(self._connection, access, url(access), body, deployment)
            self._access[endpoint] = access
        if answer is None:
            hint = f"{url(access)} was asked. A user's key needs a grant to invoke."
            raise Unauthenticated(f"{endpoint!r} does not take this key", hint=hint)
        return answer

    def _access_to(self, endpoint: str) -> Access:
        """The endpoint's own key, for whoever may see it; else the key that was given may be good for predictions alone."""
        own, found = self._own_key, None
        try:
            found = self.get_online_endpoint(endpoint)
            return Access.granted(found, self.get_credentials(endpoint))
        except (PermissionDenied, Unauthenticated):
            if own is None:
                raise
        if found is not None:
            return Access(found.scoring_uri, found.openapi_uri, own)
        return Access.by_name(find_scoring_url(self.url), endpoint, own)

    def _get_asset(self, form: type[_T], kind: str, name: str, version: str | None, label: str | None) -> _T:
        if version is not None:
            return self._ask(form, "GET", _path(kind, name, "versions", version))
        return self._ask(form, "GET", _path(kind, name), {"label": label})

    def _uploaded(self, spec: Kind) -> dict[str, Any]:
        return self._placed(type(spec), _said(spec))

    def _placed(self, kind: type[Kind], data: dict[str, Any]) -> dict[str, Any]:
        """``data`` as the server can take it: nothing in it is a path of this machine."""
        return files.replaced(
            kind,
            data,
            content=lambda path: path if is_uploaded(path) else self.upload(path),
            text=lambda path: read_file(local_path(path)),
        )

    def _send(self, pieces: Iterator[bytes]) -> str:
        answer = self._connection.send(_path("contents"), pieces, "application/x-tar")
        return self._read(dict[str, str], answer)["path"]

    def _bytes(self, method: str, path: str, query: dict[str, Any] | None = None, **options: Any) -> bytes:
        return self._connection.ask(method, path, query, **options) or b""

    def _ask(self, form: type[_T], method: str, path: str, query: dict[str, Any] | None = None, **options: Any) -> _T:
        return self._read(form, self._bytes(method, path, query, **options))

    def _read(self, form: type[_T], answer: bytes) -> _T:
        try:
            read: _T = _adapter(form).validate_json(answer)  # type: ignore[arg-type]  # types can be hashed
            return read
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            raise NotReachable(
                f"{self.url} answered what this client cannot read: {found['msg']}",
                hint="Are both of the same version of modelport? `modelport doctor` tells.",
            ) from None
