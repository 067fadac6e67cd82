"""The real MLflow scoring apps of many models in one process: ``python mlflow_host.py REQUESTS ANSWERS``.

REQUESTS: ``{"models": {name: folder}, "requests": [{"id", "model", "method", "path", "headers", "body" (base64)}]}``.
ANSWERS: ``{"answers": {id: {"status", "headers", "text"}}, "unloadable": {model: error}}``.
"""

import asyncio
import base64
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import httpx
import mlflow.pyfunc
from mlflow.pyfunc import scoring_server


def load_apps(models: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    apps, unloadable = {}, {}
    for name, folder in models.items():
        try:
            apps[name] = scoring_server.init(mlflow.pyfunc.load_model(folder))
        except Exception as error:  # noqa: BLE001 - that MLflow cannot load a model is a finding, not the end
            unloadable[name] = f"{type(error).__name__}: {error}"
    return apps, unloadable


def client_of(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://host", timeout=30, trust_env=False)
    client.headers.clear()
    return client


async def answer(client: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    response = await client.request(
        request["method"], request["path"], headers=request["headers"], content=base64.b64decode(request["body"])
    )
    return {"status": response.status_code, "headers": dict(response.headers), "text": response.text}


async def answer_all(apps: dict[str, Any], requests: list[dict[str, Any]]) -> dict[str, Any]:
    clients = {name: client_of(app) for name, app in apps.items()}
    return {
        request["id"]: await answer(clients[request["model"]], request)
        for request in requests
        if request["model"] in clients
    }


def main(requests: Path, answers: Path) -> None:
    asked = json.loads(requests.read_text())
    apps, unloadable = load_apps(asked["models"])
    found = {"answers": asyncio.run(answer_all(apps, asked["requests"])), "unloadable": unloadable}
    answers.write_text(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
