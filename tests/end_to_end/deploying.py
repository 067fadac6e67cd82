"""Deployments on a real `modelport up`, and what their endpoints answer."""

import http.client
import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.client import Client, ProvisioningFailed
from modelport.domain.credentials import Keys
from modelport.domain.online_deployment import OnlineDeployment, OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from tests.end_to_end.up_server import Load, UpServer
from tests.modelport.environments.tiny import PINS, tiny_model

X = {"x": [1.0]}
"""What a tiny model multiplies."""
TINY_BODY = {"input_data": {"columns": ["x"], "index": [0], "data": [[1.0]]}}
WITHIN = 120.0
"""Seconds until a deployment answers: its packages may have to be downloaded."""
_COUNT = itertools.count(1)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the server. ``key`` is one that it takes."""

    server: UpServer
    client: Client
    name: str
    key: str

    def create(self, model: Path | str | None, name: str = "blue", **more: Any) -> OnlineDeployment:
        """A deployment, once it answers; ``model`` is a folder or a reference. The first gets all of the traffic."""
        self.begin(model, name, **more)
        return self.wait(name)

    def begin(self, model: Path | str | None, name: str = "blue", **more: Any) -> OnlineDeployment:
        wanted = {"name": name, "endpoint_name": self.name, **more}
        if model is not None:
            wanted["model"] = inline(model) if isinstance(model, Path) else model
        spec = OnlineDeploymentSpec.read(wanted, "a test")
        return self.client.create_online_deployment(spec, all_traffic=name == "blue")

    def update(self, name: str = "blue", **changes: Any) -> OnlineDeployment:
        """The deployment with these changes, once it answers so."""
        self.client.update_online_deployment(self.name, name, changes)
        return self.wait(name)

    def wait(self, name: str = "blue") -> OnlineDeployment:
        return self.client.wait_for_online_deployment(self.name, name, timeout=WITHIN)

    def failure(self, name: str = "blue") -> OnlineDeployment:
        """The deployment that it cannot be."""
        try:
            self.wait(name)
        except ProvisioningFailed:
            return self.client.get_online_deployment(self.name, name)
        raise AssertionError(f"{name} has succeeded")

    def ask(self, rows: dict[str, list[Any]], key: str | None = None, **headers: str) -> tuple[int, Any]:
        """Status and answer; ``rows``: column → values."""
        data = [list(row) for row in zip(*rows.values(), strict=True)]
        body = json.dumps({"input_data": {"columns": list(rows), "index": list(range(len(data))), "data": data}})
        connection = http.client.HTTPConnection("127.0.0.1", self.server.scoring_port, timeout=60)
        try:
            sent = {"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json", **headers}
            connection.request("POST", f"/endpoints/{self.name}/score", body, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def ask_at_once(self, number: int, rows: dict[str, list[Any]], apart: float = 0.0) -> list[int]:
        """The statuses of so many requests, which begin so many seconds apart."""
        with ThreadPoolExecutor(number) as pool:
            asked = []
            for _ in range(number):
                asked.append(pool.submit(self.ask, rows))
                time.sleep(apart)
            return [each.result()[0] for each in asked]

    def load(self, body: Any, clients: int = 4, pause: float = 0.005) -> Load:
        return Load(self.server.scoring_url, f"/endpoints/{self.name}/score", self.key, body, clients, pause)

    def workers(self, name: str = "blue") -> list[int]:
        """Process ids of the deployment's workers that can be given requests."""
        reports = self.client.get_status()["workers"]
        return [pid for report in reports if report["id"].startswith(f"{self.name}/{name}/") for pid in report["pids"]]


def new_endpoint(server: UpServer, client: Client, **more: Any) -> Endpoint:
    """Another endpoint, once it is there."""
    name = f"endpoint-{next(_COUNT)}"
    client.create_online_endpoint(OnlineEndpointSpec(name=name, **more))
    client.wait_for_online_endpoint(name, timeout=WITHIN)
    credentials = client.get_credentials(name)
    key = credentials.primary_key if isinstance(credentials, Keys) else credentials.access_token
    return Endpoint(server, client, name, key)


def inline(model: Path) -> dict[str, Any]:
    return {"path": str(model), "type": "mlflow_model"}


def multiplying(folder: Path, factor: float, first: str = "") -> Path:
    """A tiny model that runs where the tests do; loading it begins with ``first``."""
    model = tiny_model(folder, factor, PINS)
    loader = model / "code" / "tiny_loader.py"
    loader.write_text(loader.read_text().replace("import six", first).replace("assert six.PY3", "pass"))
    return model


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
