"""The ``modelport`` target of ``mlflow.deployments``: mlflow's calls, said to a control plane.

Runs where the user's mlflow is. ``modelport`` means the server of ``MODELPORT_URL``, ``modelport:http://HOST:PORT`` that one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from mlflow.deployments import BaseDeploymentClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from modelport.client import Client
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpoint, OnlineEndpointSpec
from modelport.errors import ModelportError, NotFound

TARGET = "modelport"
ENDPOINT_FILE, DEPLOYMENT_FILE = "endpoint-config-file", "deploy-config-file"
ENDPOINT_KEYS = ("auth_mode", "identity", "tags", "description", "traffic", "mirror_traffic", "properties")
ENDPOINT_CHANGES = ("traffic", "mirror_traffic", "tags")
REFUSED = ("model", "code_configuration", "environment", "endpoint_name")
"""Keys of a deployment that mlflow's call says already, or has no notion of."""
_FLAVORS = (None, "python_function")


def run_local(
    target: str, name: str, model_uri: str, flavor: str | None = None, config: dict[str, Any] | None = None
) -> None:
    """Serve one model in the foreground, as ``modelport serve`` does."""
    _check_flavor(flavor)
    from mlflow.artifacts import download_artifacts

    from modelport.server import serve
    from modelport.settings import DEFAULT_PORT, ModelSource, ServeSettings

    port = int((config or {}).get("port", DEFAULT_PORT))
    serve(ServeSettings(models=(ModelSource(name, download_artifacts(model_uri)),), port=port))


def target_help() -> str:
    """What ``mlflow deployments help -t modelport`` prints."""
    return f"""\
The target is '{TARGET}' (the server of MODELPORT_URL, else http://127.0.0.1:8000) or '{TARGET}:http://HOST:PORT'.
The key is that of MODELPORT_KEY, else of the file admin.key in MODELPORT_HOME.

create_endpoint, update_endpoint: config {ENDPOINT_FILE}=FILE (YAML or JSON), or these keys themselves:
  {", ".join(ENDPOINT_KEYS)}; `async: true` does not wait.
create_deployment, update_deployment: config {DEPLOYMENT_FILE}=FILE, or its keys themselves: those of a deployment's
  YAML file, but {", ".join(REFUSED)}. Without an endpoint one of the deployment's own name is made, with all of the traffic.

  mlflow deployments create-endpoint -t {TARGET} --endpoint prices
  mlflow deployments create -t {TARGET} --endpoint prices --name blue -m models:/prices/1
  mlflow deployments predict -t {TARGET} --endpoint prices -I request.json
"""


class ModelportDeploymentClient(BaseDeploymentClient):  # type: ignore[misc]  # mlflow is not here when types are checked
    """mlflow's deployment client. mlflow makes one for each target URI."""

    def __init__(self, target_uri: str) -> None:
        super().__init__(target_uri)
        url = target_uri.removeprefix(f"{TARGET}:") if ":" in target_uri else None
        self._client = Client(url or None)

    # -- endpoints -----------------------------------------------------------------------------------------------------

    def create_endpoint(self, name: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
        settings, is_async = _settings(config, ENDPOINT_FILE, ENDPOINT_KEYS)
        settings.setdefault("auth_mode", "aml_token")
        with _as_mlflow_errors():
            endpoint = self._client.create_online_endpoint(
                OnlineEndpointSpec.read({**settings, "name": name}, "the endpoint")
            )
            return _endpoint(endpoint if is_async else self._client.wait_for_online_endpoint(endpoint.name))

    def update_endpoint(self, endpoint: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
        settings, is_async = _settings(config, ENDPOINT_FILE, ENDPOINT_KEYS)
        with _as_mlflow_errors():
            changes = {key: value for key, value in settings.items() if key in ENDPOINT_CHANGES}
            changed = self._client.update_online_endpoint(endpoint, changes)
            return _endpoint(changed if is_async else self._client.wait_for_online_endpoint(endpoint))

    def delete_endpoint(self, endpoint: str) -> None:
        with _as_mlflow_errors():
            try:
                self._client.delete_online_endpoint(endpoint)
                self._client.wait_until_online_endpoint_is_gone(endpoint)
            except NotFound:
                pass  # as Azure ML's does

    def list_endpoints(self) -> list[dict[str, Any]]:
        with _as_mlflow_errors():
            return [_endpoint(endpoint) for endpoint in self._client.list_online_endpoints()]

    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        with _as_mlflow_errors():
            return _endpoint(self._client.get_online_endpoint(endpoint))

    # -- deployments ---------------------------------------------------------------------------------------------------

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: dict[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        _check_flavor(flavor)
        settings, is_async = self._deployment_settings(config)
        own_endpoint = endpoint is None
        with _as_mlflow_errors():
            if endpoint is None:
                endpoint = name
                self.create_endpoint(name)
            model = self._registered(model_uri, name)
            data = {**settings, "name": name, "endpoint_name": endpoint, "model": model}
            deployment = self._client.create_online_deployment(
                OnlineDeploymentSpec.read(data, "the deployment"), all_traffic=own_endpoint
            )
            if not is_async:
                deployment = self._client.wait_for_online_deployment(endpoint, deployment.name)
            return self._deployment(deployment)

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: dict[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        _check_flavor(flavor)
        changes, is_async = self._deployment_settings(config)
        endpoint = endpoint or name
        with _as_mlflow_errors():
            if model_uri is not None:
                changes["model"] = self._registered(model_uri, name)
            deployment = self._client.update_online_deployment(endpoint, name, changes)
            if not is_async:
                deployment = self._client.wait_for_online_deployment(endpoint, name)
            return self._deployment(deployment)

    def delete_deployment(
        self,
        name: str,
        config: dict[str, Any] | None = None,
        endpoint: str | None = None,
        delete_empty_endpoint: bool = False,
    ) -> None:
        endpoint = endpoint or name
        with _as_mlflow_errors():
            try:
                traffic = self._client.get_online_endpoint(endpoint).traffic
                if traffic.get(name):
                    self._without_traffic(endpoint, name, traffic)
                self._client.delete_online_deployment(endpoint, name)
                self._client.wait_until_online_deployment_is_gone(endpoint, name)
            except NotFound:
                return
            if delete_empty_endpoint and not self._client.list_online_deployments(endpoint):
                self.delete_endpoint(endpoint)

    def _without_traffic(self, endpoint: str, name: str, traffic: dict[str, int]) -> None:
        """The share of the one that goes is given to the others as they share now; if it had all, nobody has any."""
        others = {other: percent for other, percent in traffic.items() if other != name and percent}
        total = sum(others.values())
        shares = {other: percent * 100 // total for other, percent in others.items()}
        if shares:
            largest = max(shares, key=lambda other: shares[other])
            shares[largest] += 100 - sum(shares.values())
        self._client.update_online_endpoint(endpoint, {"traffic": {**shares, name: 0}})
        self._client.wait_for_online_endpoint(endpoint)

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        with _as_mlflow_errors():
            if endpoint is not None:
                return [self._deployment(found) for found in self._client.list_online_deployments(endpoint)]
            everything = []
            for one in self._client.list_online_endpoints():
                for found in self._client.list_online_deployments(one.name):
                    uris = {"scoringUri": one.scoring_uri, "swaggerUri": one.openapi_uri}
                    everything.append({**self._deployment(found), "endpointName": one.name, **uris})
            return everything

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        with _as_mlflow_errors():
            return self._deployment(self._client.get_online_deployment(endpoint or name, name))

    def predict(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None, df: Any = None
    ) -> Any:
        """A data frame, or an array where the model's document says so."""
        inputs = df if inputs is None else inputs
        if deployment_name is None and endpoint is None:
            message = "predict needs a deployment's name, an endpoint's name, or both"
            raise MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
        with _as_mlflow_errors():
            name = endpoint or deployment_name
            assert name is not None
            body = self._client.invoke(name, _payload(inputs), deployment=deployment_name if endpoint else None)
            return self._read(name, body)

    def _read(self, endpoint: str, body: bytes) -> Any:
        import json

        import numpy as np
        import pandas as pd

        document = self._client.get_openapi(endpoint, version="3")
        output = document.get("components", {}).get("schemas", {}).get("ServiceOutput", {})
        data = json.loads(body)
        return np.array(data) if output.get("format") == "numpy.ndarray" else pd.DataFrame(data)

    # -- models --------------------------------------------------------------------------------------------------------

    def _registered(self, model_uri: str, name: str) -> str:
        """The reference of the model, which is registered first where it is not: under its name in mlflow's registry, else
        ``NAME-model``."""
        from mlflow.artifacts import download_artifacts

        registered, version = f"{name}-model", None
        if model_uri.startswith("models:/"):
            registered, _, wanted = model_uri.removeprefix("models:/").partition("/")
            version = wanted or None
            try:
                found = self._client.get_model(registered, None if version in (None, "latest") else version)
                return f"azureml:{found.name}:{found.version}"
            except NotFound:
                version = version if version is not None and version.isdigit() else None
        path = self._client.upload(Path(download_artifacts(model_uri)))
        spec = ModelSpec(name=registered, version=version, path=path, type="mlflow_model")
        model = self._client.create_model(spec)
        return f"azureml:{model.name}:{model.version}"

    def _deployment_settings(self, config: dict[str, Any] | None) -> tuple[dict[str, Any], bool]:
        settings, is_async = _settings(config, DEPLOYMENT_FILE, None)
        refused = [key for key in REFUSED if key in settings]
        if refused:
            message = (
                f"{', '.join(refused)} cannot be given in {DEPLOYMENT_FILE}: the call says the model and the endpoint"
            )
            raise MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
        if str(settings.get("type", "managed")).lower() != "managed":
            raise MlflowException("type can only be managed", error_code=INVALID_PARAMETER_VALUE)
        return settings, is_async

    @staticmethod
    def _deployment(deployment: OnlineDeployment) -> dict[str, Any]:
        return {"flavor": "python_function", **deployment.model_dump(mode="json", exclude_none=True)}


def _endpoint(endpoint: OnlineEndpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "tags": endpoint.tags,
        "properties": {
            "scoringUri": endpoint.scoring_uri,
            "swaggerUri": endpoint.openapi_uri,
            "authMode": endpoint.auth_mode,
            "traffic": endpoint.traffic,
            "mirrorTraffic": endpoint.mirror_traffic,
            "provisioningState": endpoint.provisioning_state.value,
            "description": endpoint.description,
        },
    }


def _settings(
    config: dict[str, Any] | None, file_key: str, keys: tuple[str, ...] | None
) -> tuple[dict[str, Any], bool]:
    """What a call is given, of the file or of the dictionary itself; and whether it does not wait."""
    given = dict(config or {})
    file = given.pop(file_key, None)
    if file is not None:
        path = Path(file)
        if not path.is_file():
            raise MlflowException(f"{file_key}: there is no file {file}", error_code=RESOURCE_DOES_NOT_EXIST)
        read = yaml.safe_load(path.read_text())
        if not isinstance(read, dict):
            raise MlflowException(f"{file} holds no keys and values", error_code=INVALID_PARAMETER_VALUE)
        given = {**{key: value for key, value in read.items() if key not in ("$schema", "name")}, **given}
    is_async = str(given.pop("async", "false")).lower() == "true"
    unknown = [key for key in given if keys is not None and key not in keys]
    if unknown:
        message = f"there is no key {', '.join(unknown)}; there is {file_key}, {', '.join(keys or ())}"
        raise MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
    return given, is_async


def _payload(inputs: Any) -> dict[str, Any]:
    """Data frame → split, array → list, dictionary of arrays → named tensors."""
    import json

    import numpy as np
    import pandas as pd

    if isinstance(inputs, pd.DataFrame):
        return {"input_data": json.loads(inputs.to_json(orient="split", date_format="iso"))}
    if isinstance(inputs, dict):
        return {"input_data": {name: np.asarray(value).tolist() for name, value in inputs.items()}}
    return {"input_data": np.asarray(inputs).tolist()}


def _check_flavor(flavor: str | None) -> None:
    if flavor not in _FLAVORS:
        message = f"flavor {flavor} cannot be deployed: python_function is what is served"
        raise MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


@contextmanager
def _as_mlflow_errors() -> Iterator[None]:
    """A ModelportError becomes the exception that mlflow's users catch."""
    try:
        yield
    except NotFound as error:
        raise MlflowException(str(error), error_code=RESOURCE_DOES_NOT_EXIST) from error
    except ModelportError as error:
        raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error
