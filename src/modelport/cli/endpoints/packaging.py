"""A registered model → a package, registered as an environment: made here, as this machine has the tools, and uploaded."""

import tempfile
from pathlib import Path

from modelport.cli.endpoints.unpacking import unpack
from modelport.client import Client
from modelport.domain.environment import Environment, EnvironmentSpec
from modelport.domain.package import PackageSpec
from modelport.errors import InvalidInput
from modelport.package.creating import create
from modelport.settings import EnvironmentSettings, SafetySettings, modelport_home


def package(client: Client, name: str, version: str | None, label: str | None, spec: PackageSpec) -> Environment:
    """The environment that holds the package of this model.

    Raises:
        ModelportError: the specification asks for what cannot be, or the model, its environment or a wheel cannot be had.
    """
    for key, given in (
        ("inferencing_server.code_configuration", spec.inferencing_server.code_configuration),
        ("base_environment_source", spec.base_environment_source),
        ("inputs", spec.inputs),
    ):
        if given:
            raise InvalidInput(
                f"{key} cannot be honoured: packages are made of MLflow models as they are", hint="Leave it out."
            )
    model = client.get_model(name, version, label)
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:
        content = Path(folder) / "content"
        unpack(client.download_model(model.name, model.version), content)
        (copy,) = content.iterdir()
        file = Path(folder) / f"{spec.environment_name}.mpkg"
        safety = SafetySettings(variables=spec.environment_variables)
        create(str(copy), str(file), model.name, EnvironmentSettings(), modelport_home(), safety)
        path = client.upload(file)
    told = f"model {model.id}, packaged"
    return client.create_environment(
        EnvironmentSpec(name=spec.environment_name, path=path, tags=spec.tags, description=told)
    )
