"""Azure's safe rollout through `mlflow.deployments`: `python rollout_by_plugin.py URL MODEL`. Runs beside the real mlflow."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

url, model = sys.argv[1:3]
client = get_deploy_client(f"modelport:{url}")
rows = pd.DataFrame({"area": [80.0, 45.5], "rooms": [3, 2], "city": ["north", "south"]})
failures: list = []
answers = 0
stopping = threading.Event()


def ask() -> None:
    global answers
    own = get_deploy_client(f"modelport:{url}")
    while not stopping.is_set():
        try:
            found = own.predict(endpoint="prices", df=rows)
            assert np.allclose(np.asarray(found).ravel(), [237000.0, 109000.0]), found
            answers += 1
        except Exception as error:  # noqa: BLE001  whatever it is, it was a lost request
            failures.append(repr(error))


endpoint = client.create_endpoint("prices", {"auth_mode": "key", "tags": {"team": "pricing"}})
assert endpoint["properties"]["provisioningState"] == "Succeeded", endpoint
assert endpoint["properties"]["authMode"] == "key"
blue = client.create_deployment("blue", f"file:{model}", endpoint="prices")
assert (blue["name"], blue["flavor"], blue["model"]) == ("blue", "python_function", "azureml:blue-model:1"), blue
client.update_endpoint("prices", {"traffic": {"blue": 100}})
assert isinstance(client.predict(endpoint="prices", inputs=rows), pd.DataFrame)

asking = threading.Thread(target=ask)
asking.start()
Path("green.yml").write_text("instance_count: 1\nrequest_settings:\n  request_timeout_ms: 20000\n")
green = client.create_deployment(
    "green", f"file:{model}", config={"deploy-config-file": "green.yml"}, endpoint="prices"
)
assert client.get_endpoint("prices")["properties"]["traffic"] == {"blue": 100}
assert len(client.predict("green", rows, endpoint="prices")) == 2
for change in (
    {"mirror_traffic": {"green": 10}},
    {"mirror_traffic": {}},
    {"traffic": {"blue": 90, "green": 10}},
    {"traffic": {"blue": 0, "green": 100}},
):
    client.update_endpoint("prices", change)
client.delete_deployment("blue", endpoint="prices")
stopping.set()
asking.join()
assert not failures, failures[:3]
assert answers > 20, answers

assert [found["name"] for found in client.list_deployments("prices")] == ["green"]
(one,) = client.list_deployments()
assert one["endpointName"] == "prices"
assert one["scoringUri"].endswith("/endpoints/prices/score")
assert [found["name"] for found in client.list_endpoints()] == ["prices"]
for refused in ({"model": "azureml:x:1"}, {"environment": "x"}, {"type": "kubernetes"}):
    try:
        client.create_deployment("red", f"file:{model}", config=refused, endpoint="prices")
    except MlflowException as error:
        assert next(iter(refused)) in str(error)
    else:
        raise AssertionError(refused)

# without an endpoint, one of the deployment's own name is made, whose token the client fetches
client.create_deployment("alone", f"file:{model}")
assert client.get_endpoint("alone")["properties"]["authMode"] == "aml_token"
assert len(client.predict("alone", rows)) == 2
client.delete_deployment("alone", delete_empty_endpoint=True)
client.delete_endpoint("alone")  # no error when it is gone
assert [found["name"] for found in client.list_endpoints()] == ["prices"]

# and the command line of mlflow
target = ["-t", f"modelport:{url}"]
command = [sys.executable, "-W", "ignore", "-m", "mlflow", "deployments"]
listed = subprocess.run([*command, "list", *target, "--endpoint", "prices"], capture_output=True, text=True, check=True)
assert "green" in listed.stdout, listed
helped = subprocess.run([*command, "help", *target[:1], "modelport"], capture_output=True, text=True, check=True)
assert "deploy-config-file" in helped.stdout, helped
subprocess.run([*command, "delete-endpoint", *target, "--endpoint", "prices"], check=True, capture_output=True)
assert client.list_endpoints() == []
print("done")
