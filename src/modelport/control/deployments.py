"""What may be wanted of deployments: checked and written down as a revision. Nothing is started here."""

import uuid
from typing import Any

from modelport.control import assets, environments
from modelport.control.assets import now
from modelport.domain import references
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.instance_type import instance_type
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpoint, OnlineEndpointSpec
from modelport.domain.revision import Revision
from modelport.domain.states import ProvisioningState, step
from modelport.errors import Conflict, InvalidInput
from modelport.serving.metrics import MAX_DEPLOYMENTS
from modelport.store.content import ContentStore
from modelport.store.transaction import Transaction

IN_PLACE = frozenset(
    {
        "description",
        "tags",
        "properties",
        "instance_count",
        "request_settings",
        "app_insights_enabled",
        "readiness_probe",
    }
)
"""What may change without other workers; of the request settings only what they were not told."""
_STATES = ProvisioningState


def create(
    transaction: Transaction, content: ContentStore, spec: OnlineDeploymentSpec, who: str, *, all_traffic: bool
) -> OnlineDeployment:
    """A new deployment, whose first revision is wanted.

    Raises:
        Conflict: there is one of that name. InvalidInput, NotFound: it cannot be as it is wanted.
    """
    if transaction.deployment(spec.endpoint_name, spec.name) is not None:
        raise Conflict(
            f"there is a deployment {spec.name!r} of endpoint {spec.endpoint_name!r}",
            hint="`modelport online-deployment update` changes it.",
        )
    spec, notices = _complete(transaction, content, spec, who)
    deployment = OnlineDeployment(
        **dict(spec),
        id=uuid.uuid4().hex,
        provisioning_state=_STATES.CREATING,
        created_at=now(),
        created_by=who,
        notices=notices,
    )
    transaction.add_deployment(deployment)
    position = _free_position(transaction)
    transaction.put_revision(
        Revision(
            deployment_id=deployment.id,
            number=1,
            state="wanted",
            spec=spec,
            position=position,
            takes_all_traffic=all_traffic,
        )
    )
    return deployment


def update(
    transaction: Transaction, content: ContentStore, before: OnlineDeployment, changes: dict[str, Any], who: str
) -> OnlineDeployment:
    """The deployment with another wish: its next revision, or other sizes of the same.

    Raises:
        Conflict: something goes on with it. InvalidInput, NotFound: it cannot be as it is wanted.
    """
    for key in ("name", "endpoint_name"):
        if str(changes.get(key, getattr(before, key))).lower() != getattr(before, key):
            raise InvalidInput(f"a deployment's {key} never changes", hint="Create another one.")
    what = f"deployment {before.name!r}"
    old = OnlineDeploymentSpec(**{key: getattr(before, key) for key in OnlineDeploymentSpec.model_fields})
    new, notices = _complete(transaction, content, old.changed(changes, f"the change of {what}"), who)
    differing = {key for key in OnlineDeploymentSpec.model_fields if getattr(old, key) != getattr(new, key)}
    revisions = transaction.revisions(before.id)
    last = revisions[-1]
    in_place = differing <= IN_PLACE and _started_with(old) == _started_with(new) and last.state == "live"
    state = _STATES.SCALING if in_place and "instance_count" in differing else _STATES.UPDATING
    after = before.model_copy(
        update={
            **dict(new),
            "provisioning_state": step(before.provisioning_state, state, what),
            "notices": notices,
            "error": None,
        }
    )
    transaction.replace_deployment(after)
    if in_place:
        workers = None if last.workers is None else {**last.workers, "count": new.instance_count}
        transaction.put_revision(last.model_copy(update={"spec": new, "workers": workers}))
    else:
        for revision in revisions:
            if revision.state != "live":
                transaction.remove_revision(before.id, revision.number)
        transaction.put_revision(
            Revision(deployment_id=before.id, number=last.number + 1, state="wanted", spec=new, position=last.position)
        )
    return after


def _started_with(spec: OnlineDeploymentSpec) -> tuple[int | None, int | None]:
    """What of the request settings its workers were told when they began: how much they do at once, and for how long."""
    settings = spec.request_settings
    return settings.max_concurrent_requests_per_instance, settings.request_timeout_ms


def check_traffic(transaction: Transaction, endpoint: OnlineEndpointSpec) -> None:
    """Only what can answer may be given requests.

    Raises:
        InvalidInput: a deployment is not there, or would be live and mirrored to. Conflict: it has never been ready.
    """
    there = {deployment.name: deployment for deployment in transaction.deployments(endpoint.name)}
    for name, percent in (*endpoint.traffic.items(), *endpoint.mirror_traffic.items()):
        if not percent:
            continue
        if name not in there:
            hint = f"There is {', '.join(there)}." if there else "It has none."
            raise InvalidInput(f"there is no deployment {name!r} of endpoint {endpoint.name!r}", hint=hint)
        deployment = there[name]
        is_live = any(revision.state == "live" for revision in transaction.revisions(deployment.id))
        if not is_live or deployment.provisioning_state == _STATES.DELETING:
            state = deployment.provisioning_state
            raise Conflict(f"deployment {name!r} is {state}: it cannot be given traffic")
    for name in endpoint.mirror_traffic:
        if endpoint.traffic.get(name):
            raise InvalidInput(f"deployment {name!r} has live traffic: it cannot be mirrored to as well")


def check_unused(endpoint: OnlineEndpoint, name: str) -> None:
    """What has live traffic is not deleted.

    Raises:
        Conflict: it has.
    """
    percent = endpoint.traffic.get(name)
    if percent:
        raise Conflict(
            f"deployment {name!r} has {percent} percent of the traffic",
            hint=f'modelport online-endpoint update --name {endpoint.name} --traffic "{name}=0 OTHER=100"',
        )


def _complete(
    transaction: Transaction, content: ContentStore, spec: OnlineDeploymentSpec, who: str
) -> tuple[OnlineDeploymentSpec, list[str]]:
    """The spec with references to exact versions in the place of everything else; what in it means nothing here."""
    _refuse(spec)
    notices = _notices(spec)
    found: dict[str, Any] = {}
    if isinstance(spec.model, ModelSpec):
        model, _ = assets.register_model(transaction, content, spec.model, who)
        found["model"] = references.of_version(model.name, model.version)
    elif spec.model is not None:
        model = assets.referred_model(transaction, spec.model)
        found["model"] = references.of_version(model.name, model.version)
    environment: EnvironmentSpec | None
    if isinstance(spec.environment, str):
        registered = assets.referred_environment(transaction, spec.environment)
        found["environment"] = references.of_version(registered.name, registered.version)
        environment = registered
    else:
        environment = spec.environment
    if environment is not None:
        environments.check(environment)
        notices += environments.notices(environment)
    if spec.model is None and (environment is None or environment.path is None):
        raise InvalidInput(
            f"deployment {spec.name!r} has no model",
            hint="`model`: azureml:NAME:VERSION, or a `path`; or `environment`: a package.",
        )
    if spec.model is not None and model.type != "mlflow_model":
        raise InvalidInput(
            f"model {model.id} is a {model.type}: without a scoring script it must be an mlflow_model",
            hint="`type: mlflow_model`, if it has an MLmodel file",
        )
    return spec.model_copy(update=found), notices


def _refuse(spec: OnlineDeploymentSpec) -> None:
    """What is known and cannot be done is not passed over in silence."""
    for key, is_given, hint in (
        (
            "code_configuration",
            spec.code_configuration is not None,
            "Only models without a script can be deployed yet.",
        ),
        ("type: kubernetes", spec.type == "kubernetes", "Deployments run on this machine: `type: managed`."),
        ("resources", spec.resources is not None, "`instance_type` says the size."),
        ("scale_settings", spec.scale_settings.type != "default", "`instance_count` says how many there are."),
        ("data_collector", spec.data_collector is not None, "Requests are not collected yet."),
        (
            "model_mount_path",
            spec.model_mount_path is not None,
            "There are no containers that something is mounted in.",
        ),
    ):
        if is_given:
            raise InvalidInput(f"deployment {spec.name!r}: {key} cannot be honoured", hint=hint)
    if spec.instance_type is not None:
        instance_type(spec.instance_type)


def _notices(spec: OnlineDeploymentSpec) -> list[str]:
    notices = []
    if spec.app_insights_enabled:
        notices.append("app_insights_enabled only means something in Azure; metrics are at /metrics")
    return notices


def _free_position(transaction: Transaction) -> int:
    taken = {revision.position for revision in transaction.revisions()}
    free = next((position for position in range(1, MAX_DEPLOYMENTS) if position not in taken), None)
    if free is None:
        raise Conflict(f"there are {MAX_DEPLOYMENTS - 1} deployments, and no more can be", hint="Delete one.")
    return free
