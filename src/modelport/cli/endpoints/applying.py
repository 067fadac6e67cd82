"""A folder's files against what there is: what is missing is made, what differs is changed, the rest is not touched."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from modelport.cli.endpoints.comparing import (
    Differences,
    differences,
    is_this_environment,
    is_this_model,
    optional,
)
from modelport.cli.endpoints.folder import Described
from modelport.cli.endpoints.notices import tell_notices
from modelport.cli.endpoints.waiting import wait_for_deployment, wait_for_endpoint
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.model import CHANGEABLE, ModelSpec
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.states import ProvisioningState
from modelport.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from modelport.client.client import Client

_SHARES = ("traffic", "mirror_traffic")
"""Of an endpoint: set last, when the deployments that they name are there."""


@dataclass(frozen=True)
class Outcome:
    """What became of one object, or would."""

    what: str
    """``online-deployment/churn/blue``."""
    action: Literal["created", "updated", "tried again", "unchanged"]
    changes: Differences

    def as_json(self) -> dict[str, Any]:
        """As ``-o json`` shows it."""
        changes = {key: {"from": before, "to": after} for key, (before, after) in self.changes.items()}
        return {"object": self.what, "action": self.action, "changes": changes}


class Applying:
    """One `apply`. With ``dry_run`` it only tells."""

    def __init__(self, client: "Client", dry_run: bool) -> None:
        self._client = client
        self._dry_run = dry_run
        self._new_versions: set[str] = set()
        """``model/churn``: those that get another version, so that a reference to the latest is to another one then."""

    def all_of(self, files: list[Described]) -> Iterator[Outcome]:
        """One outcome after the other: models, environments, endpoints, deployments, and then the traffic.

        Raises:
            ModelportError: something cannot be as its file says; what comes after it is not begun.
        """
        of_kind = {"model": self._model, "environment": self._environment, "online-endpoint": self._endpoint}
        for file in files:
            if file.kind in of_kind:
                yield of_kind[file.kind](file)
        deployments = [
            OnlineDeploymentSpec.read(file.data, file.file) for file in files if file.kind == "online-deployment"
        ]
        for file, spec in zip((file for file in files if file.kind == "online-deployment"), deployments, strict=True):
            yield self._deployment(file, spec)
        if not self._dry_run:
            for spec in deployments:
                wait_for_deployment(self._client, spec.endpoint_name, spec.name)
        for file in files:
            if file.kind == "online-endpoint":
                yield from self._shares(file)

    def _model(self, file: Described) -> Outcome:
        spec = ModelSpec.read(file.data, file.file)
        name = _named(spec, file)
        current = optional(lambda: self._client.get_model(name, spec.version))
        found = self._asset(file, current, frozenset(CHANGEABLE))
        if found.action == "created" and not self._dry_run:
            made = self._client.create_model(spec)
            return Outcome(f"model/{name}/{made.version}", "created", {})
        if found.action == "updated" and not self._dry_run and current is not None:
            after = {key: value for key, (_, value) in found.changes.items()}
            self._client.update_model(name, current.version, after)
        return found

    def _environment(self, file: Described) -> Outcome:
        spec = EnvironmentSpec.read(file.data, file.file)
        name = _named(spec, file)
        current = optional(lambda: self._client.get_environment(name, spec.version))
        found = self._asset(file, current, frozenset())
        if found.action == "created" and not self._dry_run:
            made = self._client.create_environment(spec)
            return Outcome(f"environment/{name}/{made.version}", "created", {})
        return found

    def _asset(self, file: Described, current: Any, changeable: frozenset[str]) -> Outcome:
        """What has to be done that the version of the file, else the latest, is as the file says."""
        wanted = file.kept
        what = f"{file.kind}/{wanted['name']}"
        differing = differences(wanted, current) if current is not None else {}
        if current is None or (differing.keys() - changeable and "version" not in wanted):
            self._new_versions.add(what)
            return Outcome(f"{what}/{wanted.get('version') or 'the next version'}", "created", {})
        if differing.keys() - changeable:
            keys = ", ".join(sorted(differing.keys() - changeable))
            raise Conflict(
                f"{file.file}: version {current.version} of {file.kind} {current.name!r} has another {keys}",
                hint="A version never changes: give it another one, or leave `version` out.",
            )
        return Outcome(f"{what}/{current.version}", "updated" if differing else "unchanged", differing)

    def _endpoint(self, file: Described) -> Outcome:
        data = {key: value for key, value in file.data.items() if key not in _SHARES}
        spec = OnlineEndpointSpec.read(data, file.file)
        what = f"online-endpoint/{spec.name}"
        current = optional(lambda: self._client.get_online_endpoint(spec.name))
        wanted = {key: value for key, value in file.kept.items() if key not in _SHARES}
        differing = differences(wanted, current) if current is not None else {}
        if current is None:
            outcome = Outcome(what, "created", {})
        elif differing:
            outcome = Outcome(what, "updated", differing)
        elif current.provisioning_state is ProvisioningState.FAILED:
            outcome = Outcome(what, "tried again", {})
        else:
            return Outcome(what, "unchanged", {})
        if not self._dry_run:
            tell_notices(self._client.create_online_endpoint(spec))
            wait_for_endpoint(self._client, spec.name)
        return outcome

    def _deployment(self, file: Described, spec: OnlineDeploymentSpec) -> Outcome:
        what = f"online-deployment/{spec.endpoint_name}/{spec.name}"
        current = optional(partial(self._client.get_online_deployment, spec.endpoint_name, spec.name))
        if current is None:
            if not self._dry_run:
                tell_notices(self._client.create_online_deployment(spec))
            return Outcome(what, "created", {})
        if not self._dry_run and not current.provisioning_state.is_final:
            current = self._settled(current)
        differing = self._differing(file, current)
        has_failed = current.provisioning_state is ProvisioningState.FAILED
        if not self._dry_run and (differing or has_failed):
            changes = {key: file.data[key] for key in differing}
            tell_notices(self._client.update_online_deployment(spec.endpoint_name, spec.name, changes))
        return Outcome(what, "updated" if differing else "tried again" if has_failed else "unchanged", differing)

    def _settled(self, current: OnlineDeployment) -> OnlineDeployment:
        """The deployment once nothing goes on with it: it cannot be changed before. Whether it failed is seen by its state."""
        from modelport.client.errors import ProvisioningFailed

        try:
            return wait_for_deployment(self._client, current.endpoint_name, current.name)
        except ProvisioningFailed:
            return self._client.get_online_deployment(current.endpoint_name, current.name)

    def _differing(self, file: Described, current: OnlineDeployment) -> Differences:
        wanted = file.kept
        differing = differences(wanted, current)
        for key, is_this in (("model", is_this_model), ("environment", is_this_environment)):
            now = current.model_dump(mode="json")[key]
            if key in differing and not self._is_new(key, wanted[key]) and is_this(self._client, wanted[key], now):
                del differing[key]
        return differing

    def _is_new(self, noun: str, reference: Any) -> bool:
        """Whether the latest, which is referred to, is a version that a dry run has only told of."""
        from modelport.domain import references

        if not self._dry_run or not isinstance(reference, str):
            return False
        asked = references.parse(reference, noun)
        return asked.version is None and f"{noun}/{asked.name}" in self._new_versions

    def _shares(self, file: Described) -> Iterator[Outcome]:
        spec = OnlineEndpointSpec.read(file.data, file.file)
        current = optional(lambda: self._client.get_online_endpoint(spec.name))
        changes: Differences = {}
        for key in _SHARES:
            wanted = {name: percent for name, percent in getattr(spec, key).items() if percent}
            before = {name: percent for name, percent in getattr(current, key, {}).items() if percent}
            if key in spec.model_fields_set and file.data[key] and wanted != before:
                changes[key] = (before, wanted)
        if not changes:
            return
        if not self._dry_run:
            after = {key: wanted for key, (_, wanted) in changes.items()}
            if "traffic" in after and current is not None:
                after["traffic"] = current.shares_for(after["traffic"])
            self._client.update_online_endpoint(spec.name, after)
            wait_for_endpoint(self._client, spec.name)
        yield Outcome(f"online-endpoint/{spec.name}", "updated", changes)


def _named(spec: ModelSpec | EnvironmentSpec, file: Described) -> str:
    if spec.name is None:
        raise InvalidInput(f"{file.file}: the {file.kind} has no name")
    return spec.name
