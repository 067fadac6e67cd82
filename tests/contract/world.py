"""A control plane with a store of its own, as `modelport up` has it but without supervisor, and a way to it over HTTP."""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from modelport.client import Client
from modelport.control.access import Access
from modelport.control.local import Control, LocalControlPlane
from modelport.control.secret import Secret
from modelport.domain.content import archive
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.operations import ControlPlane
from modelport.domain.states import ProvisioningState
from modelport.errors import ModelportError
from modelport.rest.app import create_app
from modelport.settings import UpSettings
from modelport.store.content import ContentStore
from modelport.store.store import Store

ADMIN_KEY = "the-key-of-the-admin"


@dataclass
class World:
    """``url`` is None where operations are called, not asked for over HTTP."""

    control: Control
    url: str | None = None
    failure: list[Exception] = field(default_factory=list)
    """What asking for the status raises."""

    @property
    def plane(self) -> ControlPlane:
        return self.plane_of(ADMIN_KEY)

    def plane_of(self, key: str | None) -> ControlPlane:
        """Somebody's; over HTTP no key is told before something is asked."""
        if self.url is not None:
            return Client(self.url, key)
        return self.local_plane_of(key)

    def local_plane_of(self, key: str | None) -> LocalControlPlane:
        access = Access(self.control.store, ADMIN_KEY)
        return LocalControlPlane(self.control, access.principal(key))

    def settle(self) -> None:
        """What is under way becomes what was wanted, as the reconciliation brings it about."""
        with self.control.store.writing() as transaction:
            for deployment in transaction.deployments():
                if deployment.provisioning_state == ProvisioningState.DELETING:
                    for revision in transaction.revisions(deployment.id):
                        transaction.remove_revision(deployment.id, revision.number)
                    transaction.remove_deployment(deployment.endpoint_name, deployment.name)
                    continue
                done = {"provisioning_state": ProvisioningState.SUCCEEDED}
                transaction.replace_deployment(deployment.model_copy(update=done))
                *earlier, last = transaction.revisions(deployment.id)
                for revision in earlier:
                    transaction.remove_revision(deployment.id, revision.number)
                transaction.put_revision(last.model_copy(update={"state": "live"}))
            for endpoint in transaction.endpoints():
                if endpoint.provisioning_state == ProvisioningState.DELETING:
                    transaction.remove_endpoint(endpoint.name)
                else:
                    done = {"provisioning_state": ProvisioningState.SUCCEEDED}
                    transaction.replace_endpoint(endpoint.model_copy(update=done))

    def content(self, folder: Path) -> str:
        """The folder, uploaded by the operation."""
        return self.plane.upload_content(io.BytesIO(b"".join(archive(folder))))

    def deployed(self, folder: Path) -> None:
        """A model ``churn``, an endpoint ``churn``, and a deployment ``blue`` that has all of the traffic."""
        plane = self.plane
        plane.create_model(ModelSpec(name="churn", path=self.content(folder), type="mlflow_model"))
        plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
        plane.create_online_deployment(
            OnlineDeploymentSpec(name="blue", endpoint_name="churn", model="azureml:churn:1")
        )
        self.settle()
        plane.update_online_endpoint("churn", {"traffic": {"blue": 100}})
        self.settle()


@contextlib.contextmanager
def made(home: Path, store_url: str | None = None) -> Iterator[World]:
    """A world that is called; its store is a SQLite file, if not told otherwise."""
    settings = UpSettings(home=home, store=store_url)
    store = Store.open(settings.store_url)
    failure: list[Exception] = []

    def status() -> dict[str, Any]:
        for error in failure:
            raise error
        return {"version": "0", "checks": []}

    control = Control(
        store=store,
        content=ContentStore(home / "models"),
        secret=Secret(home),
        settings=settings,
        wake=lambda: None,
        settle=lambda: None,
        metrics=lambda: b"modelport_up 1\n",
        status=status,
        ready=lambda deployment_id: 0,
    )
    try:
        yield World(control, failure=failure)
    finally:
        store.close()


@contextlib.contextmanager
def served(world: World) -> Iterator[str]:
    """The world's address, while it is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(world.local_plane_of)
    server = uvicorn.Server(
        uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def raised(call: Any) -> ModelportError:
    """The error that a call raises."""
    try:
        call()
    except ModelportError as error:
        return error
    raise AssertionError("it raised nothing")
