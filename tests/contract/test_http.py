"""What HTTP adds to the operations: who is let in, statuses, ids, limits."""

import json
import logging
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from modelport.domain.content import archive
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.errors import StoreFailed
from modelport.rest.guard import MAX_BODY
from tests.contract.world import ADMIN_KEY, World

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
V1 = "/api/v1"
Answer = urllib3.BaseHTTPResponse
EVERYWHERE = [
    ("GET", f"{V1}/online-endpoints"),
    ("GET", f"{V1}/online-endpoints/churn"),
    ("PUT", f"{V1}/online-endpoints/churn"),
    ("DELETE", f"{V1}/online-endpoints/churn"),
    ("GET", f"{V1}/online-endpoints/churn/credentials"),
    ("HEAD", f"{V1}/contents/00/model"),
    ("POST", f"{V1}/contents"),
    ("GET", f"{V1}/openapi.json"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/"),
    ("GET", "/nothing/at/all"),
    ("PATCH", f"{V1}/users"),
    ("OPTIONS", f"{V1}/models"),
]


def ask(world: World, method: str, path: str, **options: Any) -> Answer:
    headers = {**KEY, **options.pop("headers", {})}
    return urllib3.request(
        method, f"{world.url}{path}", headers=headers, retries=False, redirect=False, timeout=10, **options
    )


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic dXNlcjpwYXNz", ADMIN_KEY])
def test_without_a_valid_key_nothing_is_told(http_world: World, authorization: str | None) -> None:
    http_world.plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    headers = {} if authorization is None else {"Authorization": authorization}
    bodies = set()
    for method, path in EVERYWHERE:
        answer = urllib3.request(method, f"{http_world.url}{path}", headers=headers, retries=False, timeout=10)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
        if method != "HEAD":
            bodies.add(re.sub(rb'"request_id":"[^"]*"', b"", answer.data))
    assert len(bodies) == 1


def test_requests_without_a_valid_key_are_told_in_the_log_but_not_each_and_never_the_key(
    http_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "modelport.rest")
    for number in range(5):
        answer = ask(http_world, "GET", f"{V1}/models", headers={"Authorization": f"Bearer wrong-{number}"})
        assert answer.status == 401
    told = [record.getMessage() for record in caplog.records if "without a valid key" in record.getMessage()]
    assert told == ["requests without a valid key: 1, the last from 127.0.0.1"]
    assert "wrong-" not in caplog.text


def test_whoever_balances_load_needs_no_key(http_world: World) -> None:
    answer = urllib3.request("GET", f"{http_world.url}/ping", timeout=10)
    assert (answer.status, answer.data) == (200, b"ok\n")


def test_a_request_keeps_its_id(http_world: World) -> None:
    answer = ask(http_world, "GET", f"{V1}/models/nothing", headers={"x-request-id": "mine-1"})
    assert (answer.status, answer.headers["x-request-id"]) == (404, "mine-1")
    assert answer.json()["request_id"] == "mine-1"
    first, second = (ask(http_world, "GET", f"{V1}/models").headers["x-request-id"] for _ in range(2))
    assert first != second
    odd = ask(http_world, "GET", f"{V1}/models", headers={"x-request-id": "a b"})
    assert re.fullmatch(r"[0-9a-f-]{36}", odd.headers["x-request-id"])


def test_no_answer_is_kept_by_anybody(http_world: World) -> None:
    assert ask(http_world, "GET", f"{V1}/models").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/nothing", None, 404, "there is no /api/v1/nothing"),
        ("GET", "/models/", None, 404, "there is no /api/v1/models/"),
        ("PATCH", "/users", None, 405, "/api/v1/users does not take PATCH"),
        ("PUT", "/online-endpoints/churn", b"{", 400, "the body is no JSON"),
        ("PUT", "/online-endpoints/churn", b"[]", 400, "the body is no online endpoint"),
        ("PUT", "/online-endpoints/churn", b'"\xff"', 400, "body"),
        ("PUT", "/online-endpoints/churn", None, 400, "body"),
        ("PUT", "/online-endpoints/churn", {"name": "other"}, 400, "the path names the endpoint 'churn'"),
        ("PUT", "/online-endpoints/churn", {"name": "churn", "trafic": {}}, 400, "did you mean 'traffic'"),
        ("PUT", "/online-endpoints/x", {"name": "x"}, 400, "3 to 32 characters"),
        ("PATCH", "/online-endpoints/churn", b"[1]", 400, "body"),
        ("GET", "/online-endpoints/churn/deployments/blue/logs?lines=many", None, 400, "lines"),
        ("GET", "/online-endpoints/churn/deployments/blue/logs?container=box", None, 400, "container"),
        ("POST", "/online-endpoints/churn/keys/third/regenerate", None, 400, "key_type"),
        ("GET", "/history?endpoint_name=churn&since=yesterday", None, 400, "since"),
        ("GET", "/models?archived=maybe", None, 400, "archived"),
        ("POST", "/users", {"name": "me-too", "grants": [{"scope": "all"}]}, 400, "grants.0.scope"),
    ],
)
def test_what_does_not_fit_is_said(
    http_world: World, method: str, path: str, body: object, status: int, message: str
) -> None:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = ask(http_world, method, V1 + path, body=data, headers=headers)
    told = answer.json()
    assert answer.status == status, told
    assert message in told["message"]
    assert {"error_code", "message", "request_id"} <= set(told)


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(http_world: World) -> None:
    assert ask(http_world, "PATCH", f"{V1}/users").headers["allow"]


def test_what_goes_on_is_202_and_what_is_over_200_or_204(http_world: World, model_folder: Path) -> None:
    churn = f"{V1}/online-endpoints/churn"
    created = ask(http_world, "PUT", churn, json={"name": "churn"})
    assert (created.status, created.json()["provisioning_state"]) == (202, "Creating")
    http_world.settle()
    assert ask(http_world, "GET", churn).status == 200
    assert ask(http_world, "PATCH", churn, json={"description": "new"}).status == 202
    http_world.settle()
    deleted = ask(http_world, "DELETE", churn)
    assert (deleted.status, deleted.json()["provisioning_state"]) == (202, "Deleting")
    user = ask(http_world, "POST", f"{V1}/users", json={"name": "somebody", "grants": []})
    assert (user.status, set(user.json())) == (201, {"user", "key"})
    gone = ask(http_world, "DELETE", f"{V1}/users/somebody")
    assert (gone.status, gone.data) == (204, b"")


def test_credentials_are_spelled_as_azure_has_them(http_world: World) -> None:
    http_world.plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    assert set(ask(http_world, "GET", f"{V1}/online-endpoints/churn/credentials").json()) == {
        "primaryKey",
        "secondaryKey",
    }


def test_content_is_looked_for_without_a_body(http_world: World, model_folder: Path) -> None:
    path = http_world.content(model_folder).removeprefix("content://")
    assert ask(http_world, "HEAD", f"{V1}/contents/{path}").status == 200
    assert ask(http_world, "HEAD", f"{V1}/contents/{path}x").status == 404
    assert ask(http_world, "HEAD", f"{V1}/contents/short/model").status == 400


def test_a_large_body_is_refused(http_world: World) -> None:
    body = b'{"description": "' + b"x" * MAX_BODY + b'"}'
    answer = ask(http_world, "PATCH", f"{V1}/online-endpoints/churn", body=body)
    assert (answer.status, answer.json()["error_code"]) == (413, "REQUEST_TOO_LARGE")


def test_a_refused_upload_is_told_why_after_megabytes_too(http_world: World) -> None:
    pieces = (b"\x01" * (1 << 20) for _ in range(20))
    answer = ask(http_world, "POST", f"{V1}/contents", body=pieces)
    assert (answer.status, answer.json()["error_code"]) == (400, "BAD_REQUEST")


def test_an_upload_that_breaks_off_leaves_nothing(http_world: World, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "data").write_bytes(b"x" * (8 << 20))
    address = urlsplit(http_world.url)
    pieces = b"".join(archive(folder))
    with socket.create_connection((address.hostname, address.port)) as connection:  # type: ignore[arg-type]
        head = f"POST {V1}/contents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(pieces) + pieces[: 4 << 20])
        drafts = http_world.control.settings.home / "models" / "drafts"
        _until(lambda: any(drafts.iterdir()), "the upload is written while it comes")
    _until(lambda: not any(drafts.iterdir()), "nothing is left of it")
    assert http_world.control.content.all() == []


def test_a_store_that_is_away_is_no_fault_of_the_caller(http_world: World) -> None:
    http_world.failure.append(StoreFailed("the store is away", hint="wait"))
    answer = ask(http_world, "GET", f"{V1}/status")
    assert (answer.status, answer.json()["error_code"], answer.json()["hint"]) == (503, "STORE_UNAVAILABLE", "wait")


def test_a_fault_of_ours_is_told_without_a_traceback(http_world: World, caplog: pytest.LogCaptureFixture) -> None:
    http_world.failure.append(RuntimeError("the inside of it"))
    answer = ask(http_world, "GET", f"{V1}/status", headers={"x-request-id": "mine-2"})
    assert (answer.status, answer.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert b"inside" not in answer.data
    assert "mine-2" in caplog.text and "the inside of it" in caplog.text


def test_two_hundred_endpoints_are_listed_at_once(http_world: World) -> None:
    for number in range(200):
        http_world.local_plane_of(ADMIN_KEY).create_online_endpoint(OnlineEndpointSpec(name=f"endpoint-{number:03}"))
    plane = http_world.plane
    plane.list_online_endpoints()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(plane.list_online_endpoints()) == 200
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
