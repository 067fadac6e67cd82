"""`online-deployment create --with-package`: the model is made into a package, and the deployment is of that."""

from modelport.cli.endpoints.command import log
from modelport.cli.endpoints.packaging import package
from modelport.client import Client
from modelport.client.paths import is_uploaded
from modelport.domain import references
from modelport.domain.model import CONTENT, Model, ModelSpec, name_of
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.package import InferencingServer, PackageSpec
from modelport.errors import Conflict, InvalidInput, NotFound


def packaged(client: Client, spec: OnlineDeploymentSpec) -> OnlineDeploymentSpec:
    """The deployment with a package, registered as the environment ENDPOINT-DEPLOYMENT, in the place of its model.

    Raises:
        ModelportError: there cannot be such a deployment, or no package can be made of its model.
    """
    _refuse(spec)
    _check_free(client, spec)  # before the long work
    model = _registered(client, spec)
    name = f"{spec.endpoint_name}-{spec.name}"
    log.warning("packaging model %s as environment %s", model.id, name)
    wanted = PackageSpec(
        target_environment=name,
        inferencing_server=InferencingServer(type="azureml_online"),
        environment_variables=spec.environment_variables,
    )
    environment = package(client, model.name, model.version, None, wanted)
    log.warning("packaged: environment %s", environment.id)
    reference = references.of_version(environment.name, environment.version)
    return spec.model_copy(update={"model": None, "environment": reference})


def _refuse(spec: OnlineDeploymentSpec) -> None:
    for is_so, what, hint in (
        (spec.model is None, "has no model to package", "`model`: azureml:NAME:VERSION, or a `path`"),
        (
            spec.environment is not None,
            "names an environment, and --with-package makes one",
            "Leave out `environment`, or --with-package.",
        ),
        (
            spec.code_configuration is not None,
            "has a script, and packages are made of MLflow models as they are",
            "Leave out `code_configuration`.",
        ),
    ):
        if is_so:
            raise InvalidInput(f"deployment {spec.name!r} {what}", hint=hint)


def _check_free(client: Client, spec: OnlineDeploymentSpec) -> None:
    client.get_online_endpoint(spec.endpoint_name)
    try:
        client.get_online_deployment(spec.endpoint_name, spec.name)
    except NotFound:
        return
    raise Conflict(
        f"there is a deployment {spec.name!r} of endpoint {spec.endpoint_name!r}",
        hint="`modelport online-deployment delete` makes room, or give it another name.",
    )


def _registered(client: Client, spec: OnlineDeploymentSpec) -> Model:
    """The model that is referred to; one that is described in the file is registered on the way, as without a package."""
    if isinstance(spec.model, ModelSpec):
        model = client.create_model(_named(client, spec.model))
    else:
        found = references.parse(str(spec.model), "model")
        model = client.get_model(found.name, found.version, found.label)
    if model.type != "mlflow_model":
        raise InvalidInput(
            f"model {model.id} is a {model.type}: packages are made of MLflow models",
            hint="`type: mlflow_model`, if it has an MLmodel file",
        )
    return model


def _named(client: Client, model: ModelSpec) -> ModelSpec:
    """With the name that the server would give it: one made of its content, under which it is registered once."""
    if model.name is not None or model.path is None:
        return model
    path = model.path if is_uploaded(model.path) else client.upload(model.path)
    content = CONTENT.fullmatch(path)
    assert content is not None
    return model.model_copy(update={"name": name_of(content), "version": "1", "path": path})
