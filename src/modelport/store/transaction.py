"""``Transaction``: what can be asked of the store and written into it, between a beginning and an end."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, CursorResult, Executable, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from modelport.domain.access import User
from modelport.domain.environment import Environment
from modelport.domain.model import Model
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpoint
from modelport.domain.revision import Revision
from modelport.domain.seen import AuditEntry, Minute
from modelport.errors import Conflict, NotFound
from modelport.store import tables
from modelport.store.failures import translated

T = TypeVar("T", bound=BaseModel)
Asset = TypeVar("Asset", Model, Environment)
DIGEST = re.compile(r"[0-9a-f]{64}")
LONGEST_NUMBER = 18
"""Digits of a version that are counted as a number: so many fit into the column."""


@dataclass(frozen=True)
class StoredCredential:
    """What is known of a key or token. ``digest``: SHA-256 in hex; ``expires`` in seconds since the epoch."""

    endpoint_id: str
    slot: Literal["primary", "secondary", "token"]
    generation: int
    digest: str
    expires: float | None = None


class Transaction:
    """Good until its ``with`` block ends. A Conflict or NotFound leaves it usable; after a StoreFailed nothing is kept."""

    def __init__(self, connection: Connection, name: str, writes: bool) -> None:
        self._connection = connection
        self._name = name
        self._writes = writes
        self._failure: Exception | None = None
        self._insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert

    def check(self) -> None:
        """Raise what went wrong before, if anything did: the database may have undone what came before that."""
        if self._failure is not None:
            raise self._failure

    # -- models --------------------------------------------------------------------------------------------------------

    def model(self, name: str, version: str) -> Model | None:
        """One version."""
        return self._one(Model, tables.models, tables.models.c.name == name, tables.models.c.version == version)

    def latest_model(self, name: str) -> Model | None:
        """The newest that is not archived."""
        return self._latest(Model, tables.models, name)

    def models(self, name: str | None = None, archived: bool | None = False) -> list[Model]:
        """Newest first. ``archived``: only those, None: all."""
        return self._assets(Model, tables.models, name, archived)

    def next_model_version(self, name: str) -> str:
        """The whole number after the largest there ever was."""
        return self._next_version(tables.models, name)

    def add_model(self, model: Model) -> None:
        """Raises: Conflict."""
        self._add(tables.models, f"model {model.name}:{model.version}", **_asset_row(model))

    def replace_model(self, model: Model) -> None:
        """Raises: NotFound."""
        self._replace_asset(tables.models, "model", model)

    # -- environments --------------------------------------------------------------------------------------------------

    def environment(self, name: str, version: str) -> Environment | None:
        """One version."""
        table = tables.environments
        return self._one(Environment, table, table.c.name == name, table.c.version == version)

    def latest_environment(self, name: str) -> Environment | None:
        """The newest that is not archived."""
        return self._latest(Environment, tables.environments, name)

    def environments(self, name: str | None = None, archived: bool | None = False) -> list[Environment]:
        """Newest first. ``archived``: only those, None: all."""
        return self._assets(Environment, tables.environments, name, archived)

    def next_environment_version(self, name: str) -> str:
        """The whole number after the largest there ever was."""
        return self._next_version(tables.environments, name)

    def add_environment(self, environment: Environment) -> None:
        """Raises: Conflict."""
        what = f"environment {environment.name}:{environment.version}"
        self._add(tables.environments, what, **_asset_row(environment))

    def replace_environment(self, environment: Environment) -> None:
        """Raises: NotFound."""
        self._replace_asset(tables.environments, "environment", environment)

    # -- endpoints -----------------------------------------------------------------------------------------------------

    def endpoint(self, name: str) -> OnlineEndpoint | None:
        """The one of that name."""
        return self._one(OnlineEndpoint, tables.endpoints, tables.endpoints.c.name == name)

    def endpoints(self) -> list[OnlineEndpoint]:
        """By name."""
        return self._all(OnlineEndpoint, select(tables.endpoints.c.document).order_by(tables.endpoints.c.name))

    def add_endpoint(self, endpoint: OnlineEndpoint) -> None:
        """Raises: Conflict."""
        what = f"online endpoint {endpoint.name}"
        self._add(tables.endpoints, what, id=endpoint.id, name=endpoint.name, document=_document(endpoint))

    def replace_endpoint(self, endpoint: OnlineEndpoint) -> None:
        """By its id, so that a later endpoint of the same name is never overwritten.

        Raises: NotFound.
        """
        table = tables.endpoints
        statement = update(table).where(table.c.id == endpoint.id).values(document=_document(endpoint))
        self._change_one(statement, f"online endpoint {endpoint.name}")

    def remove_endpoint(self, name: str) -> None:
        """With its credentials.

        Raises: Conflict, as long as it has deployments.
        """
        left = [deployment.name for deployment in self.deployments(name)]
        if left:
            raise Conflict(f"online endpoint {name} still has deployments: {', '.join(left)}")
        self._change(delete(tables.endpoints).where(tables.endpoints.c.name == name))

    # -- deployments ---------------------------------------------------------------------------------------------------

    def deployment(self, endpoint_name: str, name: str) -> OnlineDeployment | None:
        """The one of that name."""
        table = tables.deployments
        return self._one(OnlineDeployment, table, table.c.endpoint_name == endpoint_name, table.c.name == name)

    def deployments(self, endpoint_name: str | None = None) -> list[OnlineDeployment]:
        """By endpoint and name."""
        table = tables.deployments
        statement = select(table.c.document).order_by(table.c.endpoint_name, table.c.name)
        if endpoint_name is not None:
            statement = statement.where(table.c.endpoint_name == endpoint_name)
        return self._all(OnlineDeployment, statement)

    def add_deployment(self, deployment: OnlineDeployment) -> None:
        """Raises: Conflict; NotFound, if there is no such endpoint."""
        if self.endpoint(deployment.endpoint_name) is None:
            raise NotFound(f"there is no online endpoint {deployment.endpoint_name}")
        self._add(
            tables.deployments,
            f"online deployment {deployment.endpoint_name}/{deployment.name}",
            id=deployment.id,
            endpoint_name=deployment.endpoint_name,
            name=deployment.name,
            document=_document(deployment),
        )

    def replace_deployment(self, deployment: OnlineDeployment) -> None:
        """By its id.

        Raises: NotFound.
        """
        table = tables.deployments
        statement = update(table).where(table.c.id == deployment.id).values(document=_document(deployment))
        self._change_one(statement, f"online deployment {deployment.endpoint_name}/{deployment.name}")

    def remove_deployment(self, endpoint_name: str, name: str) -> None:
        """With its revisions."""
        table = tables.deployments
        self._change(delete(table).where(table.c.endpoint_name == endpoint_name, table.c.name == name))

    def revisions(self, deployment_id: str | None = None) -> list[Revision]:
        """By deployment and number."""
        table = tables.revisions
        statement = select(table.c.document).order_by(table.c.deployment_id, table.c.number)
        if deployment_id is not None:
            statement = statement.where(table.c.deployment_id == deployment_id)
        return self._all(Revision, statement)

    def put_revision(self, revision: Revision) -> None:
        """Add it, or put it in the place of the one of this number.

        Raises: NotFound, if there is no such deployment.
        """
        table = tables.deployments
        if self._execute(select(table.c.id).where(table.c.id == revision.deployment_id)).first() is None:
            raise NotFound(f"there is no online deployment of the id {revision.deployment_id}")
        key = {"deployment_id": revision.deployment_id, "number": revision.number}
        self._put(tables.revisions, key, document=_document(revision))

    def remove_revision(self, deployment_id: str, number: int) -> None:
        """If it is there."""
        table = tables.revisions
        self._change(delete(table).where(table.c.deployment_id == deployment_id, table.c.number == number))

    # -- credentials ---------------------------------------------------------------------------------------------------

    def credentials(self, endpoint_id: str | None = None) -> list[StoredCredential]:
        """By endpoint and slot."""
        table = tables.credentials
        statement = select(table.c.endpoint_id, table.c.slot, table.c.generation, table.c.digest, table.c.expires)
        if endpoint_id is not None:
            statement = statement.where(table.c.endpoint_id == endpoint_id)
        rows = self._execute(statement.order_by(table.c.endpoint_id, table.c.slot, table.c.expires, table.c.digest))
        return [StoredCredential(*tuple(row)) for row in rows]  # selected in the order of its fields

    def put_credential(self, credential: StoredCredential) -> None:
        """A key takes the place of the one in its slot; tokens add up.

        Raises: NotFound, if there is no such endpoint.
        """
        table, endpoints = tables.credentials, tables.endpoints
        if self._execute(select(endpoints.c.id).where(endpoints.c.id == credential.endpoint_id)).first() is None:
            raise NotFound(f"there is no online endpoint of the id {credential.endpoint_id}")
        key = {"endpoint_id": credential.endpoint_id, "slot": credential.slot, "digest": credential.digest}
        if credential.slot != "token":
            same_slot = (table.c.endpoint_id == credential.endpoint_id, table.c.slot == credential.slot)
            self._change(delete(table).where(*same_slot))
        self._put(table, key, generation=credential.generation, expires=credential.expires)

    def remove_credentials(self, endpoint_id: str) -> None:
        """All of an endpoint."""
        self._change(delete(tables.credentials).where(tables.credentials.c.endpoint_id == endpoint_id))

    def remove_expired_credentials(self, now: float) -> int:
        """How many there were."""
        return self._change(delete(tables.credentials).where(tables.credentials.c.expires <= now))

    def mentioned(self) -> set[str]:
        """Every hash of content that a model, environment, deployment or revision mentions, and perhaps other such words."""
        kinds = (tables.models, tables.environments, tables.deployments, tables.revisions)
        documents = (document for kind in kinds for document in self._execute(select(kind.c.document)).scalars())
        return {digest for document in documents for digest in DIGEST.findall(document)}

    # -- users ---------------------------------------------------------------------------------------------------------

    def user(self, name: str) -> User | None:
        """The one of that name."""
        return self._one(User, tables.users, tables.users.c.name == name)

    def users(self) -> list[User]:
        """By name."""
        return self._all(User, select(tables.users.c.document).order_by(tables.users.c.name))

    def user_by_digest(self, digest: str) -> User | None:
        """Whose key has this hash."""
        return self._one(User, tables.users, tables.users.c.digest == digest)

    def digests(self) -> dict[str, str]:
        """Name → hash of the key."""
        rows = self._execute(select(tables.users.c.name, tables.users.c.digest).order_by(tables.users.c.name))
        return {row["name"]: row["digest"] for row in rows.mappings()}

    def add_user(self, user: User, digest: str) -> None:
        """Raises: Conflict."""
        self._add(tables.users, f"user {user.name}", name=user.name, digest=digest, document=_document(user))

    def remove_user(self, name: str) -> None:
        """If there is one."""
        self._change(delete(tables.users).where(tables.users.c.name == name))

    # -- audit, history ------------------------------------------------------------------------------------------------

    def add_audit(self, entry: AuditEntry) -> None:
        """The last one."""
        self._change(self._insert(tables.audit).values(document=_document(entry)))

    def audit(self, limit: int, since: datetime | None = None) -> list[AuditEntry]:
        """The newest, newest first."""
        table = tables.audit
        newest = self._all(AuditEntry, select(table.c.document).order_by(table.c.serial.desc()).limit(limit))
        return newest if since is None else [entry for entry in newest if entry.at >= since]

    def remove_audit_before(self, at: datetime, at_most: int = 1000) -> int:
        """The oldest entries, so many at a time; how many there were. They lie in the order in which they were written."""
        table = tables.audit
        oldest = self._execute(select(table.c.serial, table.c.document).order_by(table.c.serial).limit(at_most))
        last = None
        for row in oldest.mappings():
            if AuditEntry.model_validate_json(row["document"]).at >= at:
                break
            last = row["serial"]
        return 0 if last is None else self._change(delete(table).where(table.c.serial <= last))

    def add_minutes(self, minutes: list[Minute]) -> None:
        """The same minute of the same deployment again takes the place of what was there."""
        for minute in minutes:
            key = {"endpoint": minute.endpoint, "deployment": minute.deployment, "at": minute.at}
            self._put(tables.minutes, key, document=_document(minute))

    def minutes(self, endpoint: str, since: datetime) -> list[Minute]:
        """Oldest first."""
        table = tables.minutes
        wanted = select(table.c.document).where(table.c.endpoint == endpoint, table.c.at >= since)
        return self._all(Minute, wanted.order_by(table.c.at, table.c.deployment))

    def remove_minutes_before(self, at: datetime) -> None:
        """Of all endpoints."""
        self._change(delete(tables.minutes).where(tables.minutes.c.at < at))

    def remove_minutes_of(self, endpoint: str) -> None:
        """All of them: a later endpoint of the same name is another."""
        self._change(delete(tables.minutes).where(tables.minutes.c.endpoint == endpoint))

    # -- single values -------------------------------------------------------------------------------------------------

    def next_version(self) -> int:
        """A number larger than any it gave before."""
        table, key = tables.counters, {"name": "routing table"}
        value = self._execute(select(table.c.value).where(table.c.name == key["name"])).scalar_one_or_none() or 0
        self._put(table, key, value=value + 1)
        return int(value) + 1

    def setting(self, name: str) -> str | None:
        """What was kept under that name."""
        found = self._execute(
            select(tables.settings.c.value).where(tables.settings.c.name == name)
        ).scalar_one_or_none()
        return None if found is None else str(found)

    def set_setting(self, name: str, value: str) -> None:
        """Keep it."""
        self._put(tables.settings, {"name": name}, value=value)

    # -- by table ------------------------------------------------------------------------------------------------------

    def _one(self, kind: type[T], table: Table, *where: Any) -> T | None:
        found = self._execute(select(table.c.document).where(*where)).scalar_one_or_none()
        return None if found is None else kind.model_validate_json(found)

    def _all(self, kind: type[T], statement: Executable) -> list[T]:
        return [kind.model_validate_json(document) for document in self._execute(statement).scalars()]

    def _assets(self, kind: type[Asset], table: Table, name: str | None, archived: bool | None) -> list[Asset]:
        statement = select(table.c.document).order_by(table.c.created_at.desc(), table.c.serial.desc())
        if name is not None:
            statement = statement.where(table.c.name == name)
        if archived is not None:
            statement = statement.where(table.c.is_archived == int(archived))
        return self._all(kind, statement)

    def _latest(self, kind: type[Asset], table: Table, name: str) -> Asset | None:
        newest = select(table.c.document).where(table.c.name == name, table.c.is_archived == 0)
        found = self._all(kind, newest.order_by(table.c.created_at.desc(), table.c.serial.desc()).limit(1))
        return found[0] if found else None

    def _next_version(self, table: Table, name: str) -> str:
        largest = self._execute(select(func.max(table.c.number)).where(table.c.name == name)).scalar_one()
        return str((largest or 0) + 1)

    def _replace_asset(self, table: Table, noun: str, asset: Model | Environment) -> None:
        row = _asset_row(asset)
        statement = update(table).where(table.c.name == asset.name, table.c.version == asset.version)
        changed = statement.values(is_archived=row["is_archived"], document=row["document"])
        self._change_one(changed, f"{noun} {asset.name}:{asset.version}")

    def _add(self, table: Table, what: str, **row: Any) -> None:
        # Not by the database's own error, after which PostgreSQL would refuse the rest of the transaction.
        if self._change(self._insert(table).values(**row).on_conflict_do_nothing()) == 0:
            raise Conflict(f"{what} exists already")

    def _put(self, table: Table, key: dict[str, Any], **values: Any) -> None:
        statement = self._insert(table).values(**key, **values)
        self._change(statement.on_conflict_do_update(index_elements=list(key), set_=values))

    def _change_one(self, statement: Executable, what: str) -> None:
        if self._change(statement) == 0:
            raise NotFound(f"there is no {what}")

    def _change(self, statement: Executable) -> int:
        if not self._writes:
            raise RuntimeError("a transaction that reads cannot write")
        return self._execute(statement.execution_options(preserve_rowcount=True)).rowcount

    def _execute(self, statement: Executable) -> CursorResult[Any]:
        self.check()
        try:
            with translated(self._name):
                return self._connection.execute(statement)
        except Exception as error:
            if isinstance(error.__cause__, SQLAlchemyError):
                self._failure = error
            raise


def _document(thing: BaseModel) -> str:
    return thing.model_dump_json()


def _asset_row(asset: Model | Environment) -> dict[str, Any]:
    version = asset.version
    is_number = version.isascii() and version.isdecimal() and len(version) <= LONGEST_NUMBER
    return {
        "name": asset.name,
        "version": version,
        "number": int(version) if is_number else None,
        "is_archived": int(asset.is_archived),
        "created_at": asset.created_at,
        "document": _document(asset),
    }
