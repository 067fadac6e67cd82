"""A server with every kind of credential, for the table of who may do what."""

import base64
import http.client
import io
import json
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.client import Client
from modelport.control.secret import Secret, digest
from modelport.domain.access import Grant
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.store.store import Store
from modelport.store.transaction import StoredCredential
from tests.end_to_end.up_server import UpServer

ALPHA, BETA, GHOST = "alpha", "beta", "ghost"
"""An endpoint with keys, one with tokens, and one that is not there though some have grants on it."""
USERS: dict[str, list[tuple[str, str]]] = {
    "admin-user": [("admin", "*")],
    "deployer": [("deploy", "*")],
    "reader": [("read", "*")],
    "invoker": [("invoke", "*")],
    "admin-of-alpha": [("admin", ALPHA), ("admin", GHOST)],
    "deployer-of-alpha": [("deploy", ALPHA), ("deploy", GHOST)],
    "reader-of-alpha": [("read", ALPHA), ("read", GHOST)],
    "invoker-of-alpha": [("invoke", ALPHA), ("invoke", GHOST)],
    "without-grants": [],
}
REQUEST_ID = "always-the-same"


@dataclass(frozen=True)
class Answer:
    """All of it but the date; the id is what was sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Asking:
    """Requests to one address, over one connection as long as it holds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def __call__(
        self, method: str, path: str, authorization: bytes | None = None, body: Any = None, **headers: str
    ) -> Answer:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent: dict[str, str | bytes] = {"x-request-id": REQUEST_ID, "Content-Type": "application/json", **headers}
        if authorization is not None:
            sent["Authorization"] = authorization
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        self._connection.request(method, path, content, sent)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.will_close:
            self.close()
        told = tuple((name.lower(), value) for name, value in answer.getheaders() if name.lower() != "date")
        return Answer(answer.status, told, data)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def bearer(key: str) -> bytes:
    return b"Bearer " + key.encode()


def password(key: str) -> bytes:
    """What a browser sends once somebody has typed the key."""
    return b"Basic " + base64.b64encode(b"somebody:" + key.encode())


@dataclass
class AccessWorld:
    """``keys``: whoever's, by name. ``written``: everything that was ever a key."""

    server: UpServer
    content: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    control: Asking = field(init=False)
    scoring: Asking = field(init=False)

    def __post_init__(self) -> None:
        self.control, self.scoring = Asking(self.server.port), Asking(self.server.scoring_port)

    @property
    def client(self) -> Client:
        return self.server.client()

    def keep(self, name: str, key: str) -> None:
        self.keys[name] = self.written[name] = key

    def make(self, model: Path) -> None:
        """Two endpoints that answer, a model, an environment, and everybody's keys."""
        client = self.client
        self.keep("the admin", self.server.key)
        for name, grants in USERS.items():
            named = [Grant.read({"scope": scope, "endpoint": endpoint}, "a test") for scope, endpoint in grants]
            self.keep(name, client.create_user(name, named)[1])
        client.create_environment(EnvironmentSpec(name="tools", version="1", image="base"))
        for name, mode in ((ALPHA, "key"), (BETA, "aml_token")):
            client.create_online_endpoint(OnlineEndpointSpec.read({"name": name, "auth_mode": mode}, "a test"))
            prices = {"name": "prices", "version": "1", "path": str(model), "type": "mlflow_model"}
            blue = {"name": "blue", "endpoint_name": name, "model": prices}
            client.create_online_deployment(OnlineDeploymentSpec.read(blue, "a test"), all_traffic=True)
        for name in (ALPHA, BETA):
            client.wait_for_online_deployment(name, "blue")
            client.wait_for_online_endpoint(name)
        self.content = client.get_model("prices", "1").path
        self._make_keys_of_endpoints(client)
        self._make_former_keys(client)

    def _make_keys_of_endpoints(self, client: Client) -> None:
        before: Any = client.get_credentials(ALPHA)
        after: Any = client.regenerate_keys(ALPHA, "secondary")
        assert (before.primary_key, True) == (after.primary_key, before.secondary_key != after.secondary_key)
        self.keep("alpha's primary", after.primary_key)
        self.keep("alpha's secondary", after.secondary_key)
        self.keep("alpha's former secondary", before.secondary_key)
        token: Any = client.get_credentials(BETA)
        self.keep("beta's token", token.access_token)
        id = client.get_online_endpoint(BETA).id
        self.keep("beta's key, which has tokens", Secret(self.server.home).key(id, "primary", 1))
        self.until(lambda: self.scores(ALPHA, "alpha's secondary") and self.scores(BETA, "beta's token"))

    def _make_former_keys(self, client: Client) -> None:
        self.keep("deleted", client.create_user("deleted", [Grant(scope="admin")])[1])
        self.until(lambda: self.scores(ALPHA, "deleted"))
        client.delete_user("deleted")
        self.until(lambda: not self.scores(ALPHA, "deleted"))
        self.put_token("beta's expired token", time.time() - 1)

    def put_token(self, name: str, expires: float) -> None:
        """A token of ``beta`` that ends when a test wants it."""
        self.keep(name, f"a-token-that-ends-{expires}")
        id = self.client.get_online_endpoint(BETA).id
        store = Store.open(f"sqlite:///{self.server.home / 'modelport.db'}")
        try:
            with store.writing() as transaction:
                transaction.put_credential(StoredCredential(id, "token", 0, digest(self.keys[name]), expires))
        finally:
            store.close()
        self.client.get_credentials(BETA)  # the table is made anew

    def scores(self, endpoint: str, name: str) -> bool:
        answer = self.scoring("GET", f"/endpoints/{endpoint}/swagger.json", bearer(self.keys[name]))
        assert answer.status in (200, 401), answer
        return answer.status == 200

    @staticmethod
    def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)


def malformed(key: str) -> Mapping[str, bytes | None]:
    """Headers that have a good key, or none, and are none."""
    given = key.encode()
    return {
        "no header": None,
        "an empty one": b"",
        "a scheme alone": b"Bearer",
        "a scheme and a space": b"Bearer ",
        "another scheme": b"Basic dXNlcjpwYXNz",
        "another scheme with the key": b"Basic " + given,
        "the key as a user": b"Basic " + base64.b64encode(given + b":"),
        "a wrong password": password("wrong"),
        "no scheme": given,
        "no space": b"Bearer" + given,
        "a wrong key": b"Bearer wrong",
        "more than the key": b"Bearer " + given + b"x",
        "less than the key": b"Bearer " + given[:-1],
        "the key in other letters": b"Bearer " + given.swapcase(),
        "two keys": b"Bearer " + given + b" " + given,
        "the key's hash": b"Bearer " + digest(key).encode(),
        "no ASCII": b"Bearer \xff\xc3\xa9\xf0\x9f\x94\x91",
        "10 kB": b"Bearer " + b"k" * 10_000,
    }


def archive() -> bytes:
    """Some content to upload."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo("some/MLmodel")
        member.size = 12
        tar.addfile(member, io.BytesIO(b"flavors: {}\n"))
    return made.getvalue()
