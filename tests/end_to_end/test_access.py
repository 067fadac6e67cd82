"""Who may do what with `modelport up`: every route and verb, every kind of credential; what is refused says nothing."""

import json
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelport.domain.online_endpoint import OnlineEndpointSpec
from tests.end_to_end.access_world import (
    ALPHA,
    BETA,
    GHOST,
    USERS,
    AccessWorld,
    Answer,
    archive,
    bearer,
    malformed,
    password,
)
from tests.end_to_end.up_server import running

V1 = "/api/v1"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
MISSING = "missing"
PLACES = ((ALPHA, "blue"), (ALPHA, MISSING), (BETA, "blue"), (GHOST, MISSING), (MISSING, MISSING))
"""Endpoint and deployment."""
DONE = frozenset({200, 202, 409})
"""409: the change before goes on still."""


@dataclass(frozen=True)
class Operation:
    """A row of the table. ``scope`` is wanted on ``on``: all, the endpoint in the path, or some endpoint; None: only a key."""

    method: str
    path: str
    scope: str | None
    on: str = "all"
    allowed: frozenset[int] | int = 200
    """What it is answered with, asked for what is there: nothing is harmed by it."""
    body: Any = None
    query: str = ""
    harmless: tuple[str, str] = PLACES[0]
    """Where it is asked by those who may."""


ENDPOINT, DEPLOYMENT = f"{V1}/online-endpoints/{{name}}", f"{V1}/online-endpoints/{{endpoint_name}}/deployments"
NEW_MODEL = {"name": "{model}", "version": "2", "path": "{content}", "type": "mlflow_model"}
BLUE = {"name": "{deployment}", "endpoint_name": "{endpoint}", "model": "azureml:prices:1"}
GONE = (GHOST, MISSING)
TABLE = [
    Operation("GET", f"{V1}/openapi.json", None),
    Operation("POST", f"{V1}/contents", "deploy", allowed=201, body=archive()),
    Operation("HEAD", f"{V1}/contents/{{digest}}/{{name}}", "deploy"),
    Operation("POST", f"{V1}/models", "deploy", allowed=201, body=NEW_MODEL),
    Operation("GET", f"{V1}/models", "read"),
    Operation("GET", f"{V1}/models/{{name}}", "read"),
    Operation("POST", f"{V1}/models/{{name}}/archive", "deploy", allowed=204, query="?archived=false"),
    Operation("GET", f"{V1}/models/{{name}}/versions/{{version}}", "read"),
    Operation("PATCH", f"{V1}/models/{{name}}/versions/{{version}}", "deploy", body={"tags": {"a": "b"}}),
    Operation("GET", f"{V1}/models/{{name}}/versions/{{version}}/content", "read"),
    Operation("POST", f"{V1}/environments", "deploy", allowed=201, body={"name": "{environment}", "version": "2"}),
    Operation("GET", f"{V1}/environments", "read"),
    Operation("GET", f"{V1}/environments/{{name}}", "read"),
    Operation("POST", f"{V1}/environments/{{name}}/archive", "deploy", allowed=204, query="?archived=false"),
    Operation("GET", f"{V1}/environments/{{name}}/versions/{{version}}", "read"),
    Operation("GET", f"{V1}/online-endpoints", "read", on="some"),
    Operation("PUT", ENDPOINT, "deploy", on="endpoint", allowed=DONE, body={"name": "{endpoint}"}),
    Operation("GET", ENDPOINT, "read", on="endpoint"),
    Operation("PATCH", ENDPOINT, "deploy", on="endpoint", allowed=DONE, body={"tags": {"a": "b"}}),
    Operation("DELETE", ENDPOINT, "deploy", on="endpoint", allowed=404, harmless=GONE),
    Operation("GET", f"{ENDPOINT}/credentials", "deploy", on="endpoint"),
    Operation("POST", f"{ENDPOINT}/keys/primary/regenerate", "deploy", on="endpoint", allowed=404, harmless=GONE),
    Operation("POST", f"{ENDPOINT}/keys/secondary/regenerate", "deploy", on="endpoint", allowed=404, harmless=GONE),
    Operation("GET", DEPLOYMENT, "read", on="endpoint"),
    Operation("PUT", f"{DEPLOYMENT}/{{name}}", "deploy", on="endpoint", allowed=409, body=BLUE),
    Operation("GET", f"{DEPLOYMENT}/{{name}}", "read", on="endpoint"),
    Operation("PATCH", f"{DEPLOYMENT}/{{name}}", "deploy", on="endpoint", allowed=DONE, body={"tags": {"a": "b"}}),
    Operation("DELETE", f"{DEPLOYMENT}/{{name}}", "deploy", on="endpoint", allowed=409),
    Operation("GET", f"{DEPLOYMENT}/{{name}}/logs", "read", on="endpoint"),
    Operation("POST", f"{V1}/users", "admin", allowed=409, body={"name": "{user}", "grants": []}),
    Operation("GET", f"{V1}/users", "admin"),
    Operation("DELETE", f"{V1}/users/{{name}}", "admin", allowed=404, harmless=GONE),
    Operation(
        "GET",
        f"{V1}/history",
        "read",
        on="endpoint",
        query="?endpoint_name={endpoint}&since=2026-01-01T00:00:00Z",
    ),
    Operation("GET", f"{V1}/audit", "admin"),
    Operation("GET", f"{V1}/status", "read"),
    Operation("GET", "/metrics", "read"),
]
WHO: dict[str | None, frozenset[str]] = {
    None: frozenset({"the admin", "admin-user", "deployer", "reader", "invoker"}),
    "admin": frozenset({"the admin", "admin-user"}),
    "deploy": frozenset({"the admin", "admin-user", "deployer"}),
    "read": frozenset({"the admin", "admin-user", "deployer", "reader"}),
    "invoke": frozenset({"the admin", "admin-user", "invoker"}),
}
"""A scope → who has it on everything."""
WHO_ON_ALPHA: dict[str | None, frozenset[str]] = {
    "deploy": frozenset({"admin-of-alpha", "deployer-of-alpha"}),
    "read": frozenset({"admin-of-alpha", "deployer-of-alpha", "reader-of-alpha"}),
    "invoke": frozenset({"admin-of-alpha", "invoker-of-alpha"}),
}
"""Who else has it on this endpoint, and on the one that is not there."""
CALLERS = ("the admin", *USERS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, house_prices: Path) -> Iterator[AccessWorld]:
    home = tmp_path_factory.mktemp("access") / "home"
    with running(home, AML_CORS_ORIGINS="https://app.example") as server:
        world = AccessWorld(server)
        try:
            world.make(house_prices)
            yield world
        finally:
            world.control.close()
            world.scoring.close()


# -- control -----------------------------------------------------------------------------------------------------------


def may(caller: str, operation: Operation, endpoint: str) -> bool:
    """What the two tables say."""
    if operation.scope is None or caller in WHO[operation.scope]:
        return True
    is_theirs = operation.on == "some" or (operation.on == "endpoint" and endpoint in (ALPHA, GHOST))
    return is_theirs and caller in WHO_ON_ALPHA[operation.scope]


def asked(world: AccessWorld, operation: Operation, place: tuple[str, str], header: bytes | None) -> Answer:
    """The operation at a place; beside an endpoint that is missing, models, environments and users are as well."""
    endpoint, deployment = place
    is_there = endpoint != MISSING and place != GONE
    noun = operation.path.removeprefix(f"{V1}/").split("/")[0]
    digest, folder = world.content.removeprefix("content://").split("/")
    names = {
        "models": "prices",
        "environments": "tools",
        "users": "reader",
        "contents": folder,
        "online-endpoints": deployment if "{endpoint_name}" in operation.path else endpoint,
    }
    name = names.get(noun, "") if is_there or noun == "online-endpoints" else MISSING
    path = operation.path.format(
        name=name,
        endpoint_name=endpoint,
        version="1" if is_there else "9",
        digest=digest if is_there else "0" * 64,
    )
    words = {
        "{model}": "prices" if is_there else MISSING,
        "{environment}": "tools" if is_there else MISSING,
        "{user}": "reader" if is_there else MISSING,
        "{content}": world.content,
        "{endpoint}": endpoint,
        "{deployment}": deployment,
    }
    return world.control(
        operation.method, path + _filled(operation.query, words), header, _filled(operation.body, words)
    )


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, words) for key, item in value.items()}
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(word, text)
    return value


def test_the_table_has_every_route(world: AccessWorld) -> None:
    document = json.loads(world.control("GET", f"{V1}/openapi.json", bearer(world.keys["the admin"])).body)
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    ours = {
        (row.method, row.path.replace("keys/primary", "keys/{key_type}").replace("keys/secondary", "keys/{key_type}"))
        for row in TABLE
    }
    assert routes == (ours - {("GET", f"{V1}/openapi.json")}) | {("GET", "/ping")}


@pytest.mark.parametrize("caller", CALLERS)
def test_each_can_do_what_its_grants_say_and_nothing_else(world: AccessWorld, caller: str) -> None:
    header = bearer(world.keys[caller])
    for operation in TABLE:
        refused = [place for place in PLACES if not may(caller, operation, place[0])]
        answers = [asked(world, operation, place, header) for place in refused]
        assert {answer.status for answer in answers} <= {403}, (operation, answers)
        assert len(set(answers)) <= 1, (operation, answers)
        if may(caller, operation, operation.harmless[0]):
            answer = asked(world, operation, operation.harmless, header)
            expected = {operation.allowed} if isinstance(operation.allowed, int) else operation.allowed
            assert answer.status in expected, (operation, answer)


def test_a_list_of_endpoints_has_those_that_one_may_read(world: AccessWorld) -> None:
    def listed(caller: str) -> list[str]:
        answer = world.control("GET", f"{V1}/online-endpoints", bearer(world.keys[caller]))
        return [endpoint["name"] for endpoint in json.loads(answer.body)]

    assert (listed("reader"), listed("reader-of-alpha")) == ([ALPHA, BETA], [ALPHA])


def test_a_grant_tells_no_name_of_another_endpoint(world: AccessWorld) -> None:
    header = bearer(world.keys["reader-of-alpha"])
    answer = world.control("GET", f"{V1}/online-endpoints/{GHOST}", header)
    assert answer.status == 404
    assert BETA.encode() not in answer.body


def test_a_grant_on_one_endpoint_registers_no_model(world: AccessWorld) -> None:
    there = {"name": "prices", "version": "1", "path": world.content, "type": "mlflow_model", "description": "other"}
    body = {"name": "green", "endpoint_name": ALPHA, "model": there}
    path = f"{V1}/online-endpoints/{ALPHA}/deployments/green"
    answer = world.control("PUT", path, bearer(world.keys["deployer-of-alpha"]), body)
    assert answer.status == 403  # 409: a version never changes; without `version` it would be the next one


def test_names_are_the_same_in_upper_case_for_a_grant_on_one_endpoint(world: AccessWorld) -> None:
    header = bearer(world.keys["reader-of-alpha"])
    assert world.control("GET", f"{V1}/online-endpoints/ALPHA", header).status == 200
    assert world.control("GET", f"{V1}/online-endpoints/BETA", header).status == 403


def no_credentials_of_control(world: AccessWorld) -> dict[str, bytes | None]:
    names = ("alpha's primary", "alpha's former secondary", "beta's token", "beta's expired token", "deleted")
    return {**malformed(world.keys["the admin"]), **{name: bearer(world.keys[name]) for name in names}}


def test_without_a_valid_key_control_tells_nothing(world: AccessWorld) -> None:
    for name, header in no_credentials_of_control(world).items():
        with_body: set[Answer] = set()
        without: set[Answer] = set()
        for operation in TABLE:
            for place in (PLACES[0], PLACES[-1]):
                answer = asked(world, operation, place, header)
                assert answer.status == 401, (name, operation, answer)
                (without if operation.method == "HEAD" else with_body).add(answer)
        assert len(with_body) == 1, (name, with_body)
        assert len(without) == 1, (name, without)
        assert next(iter(without)).headers == next(iter(with_body)).headers


def test_without_a_valid_key_no_path_and_no_verb_differs(world: AccessWorld) -> None:
    paths = [row.path.format(name=ALPHA, endpoint_name=ALPHA, version="1", digest="0" * 64) for row in TABLE]
    unknown = ["/", "/docs", "/redoc", "/nothing", f"{V1}/", f"{V1}/nothing", "/api/v2/models", "/api/v1/%6dodels"]
    unknown += ["/ping/", "//ping", f"/ping/..{V1}/models", f"/ping%2f..{V1}/models", "/ping;/metrics", "/PING"]
    for header in (None, b"Bearer wrong", bearer(world.keys["alpha's primary"])):
        for verb in VERBS:
            answers = {world.control(verb, path, header) for path in [*paths, *unknown]}
            assert len(answers) == 1, (verb, answers)
            assert next(iter(answers)).status == 401


def test_whoever_wants_another_protocol_is_told_as_little(world: AccessWorld) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    paths = [f"{V1}/online-endpoints/{ALPHA}", f"{V1}/online-endpoints/{MISSING}", "/metrics", "/nothing"]
    answers = {world.control("GET", path, None, **upgrade, **key) for path in paths}
    assert [answer.status for answer in answers] == [401]


def test_unknown_paths_and_verbs_are_the_same_for_all_who_have_a_key(world: AccessWorld) -> None:
    for verb, path, status in (
        ("GET", f"{V1}/nothing", 404),
        ("GET", "/docs", 404),
        ("PATCH", f"{V1}/users", 405),
        ("PROPFIND", f"{V1}/online-endpoints/{ALPHA}", 405),
    ):
        answers = {world.control(verb, path, bearer(world.keys[caller])) for caller in CALLERS}
        assert [answer.status for answer in answers] == [status]


# -- scoring -----------------------------------------------------------------------------------------------------------

BELOW = [
    "",
    "/",
    "/score",
    "/invocations",
    "/openapi.json",
    "/swagger.json",
    "/swagger.json?version=3",
    "/docs",
    "/docs/nothing.js",
    "/ping",
    "/health",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    *(
        f"/v2/models/{{name}}{version}{rest}"
        for version in ("", "/versions/1")
        for rest in ("", "/ready", "/infer", "/nothing")
    ),
    "/v2/nothing",
    "/nothing",
    "/score/",
    "//score",
]
MALFORMED_BELOW = ("/score", "/v2/models/{name}/infer", "/nothing")
"""Where headers that are none are sent as well."""
ORIGINS: tuple[dict[str, str], ...] = (
    {},
    {"azureml-model-deployment": "blue"},
    {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
)


def scoring_path(endpoint: str, below: str) -> str:
    return f"/endpoints/{endpoint}{below.format(name=endpoint)}"


def not_of(world: AccessWorld, endpoint: str) -> dict[str, bytes]:
    """Keys that are good for something, or were, and are none of this endpoint."""
    of_alpha = {"alpha's primary", "alpha's secondary", "admin-of-alpha", "invoker-of-alpha"}
    of_any = {"admin-user", "invoker"}
    theirs = of_any | {ALPHA: of_alpha, BETA: {"beta's token"}, MISSING: set()}[endpoint]
    return {name: bearer(key) for name, key in world.keys.items() if name not in theirs}


def test_whoever_has_no_credential_of_an_endpoint_is_told_nothing(world: AccessWorld) -> None:
    refused = {endpoint: not_of(world, endpoint) for endpoint in (ALPHA, BETA, MISSING)}
    no_keys = malformed(world.keys["alpha's primary"])
    for below in BELOW:
        for verb in VERBS:
            answers = {
                world.scoring(verb, scoring_path(endpoint, below), header)
                for endpoint, headers in refused.items()
                for header in (None, *headers.values(), *(no_keys.values() if below in MALFORMED_BELOW else ()))
            }
            assert len(answers) == 1, (verb, below, answers)
            assert next(iter(answers)).status == 401, (verb, below)


FOR_BROWSERS = ("/docs", "/openapi.json", "/swagger.json", "/v2")


def test_a_password_opens_the_documents_of_its_own_endpoint_and_nothing_else(world: AccessWorld) -> None:
    for below in BELOW:
        for verb in VERBS:
            is_document = verb == "GET" and below.startswith(FOR_BROWSERS)
            refused = {
                world.scoring(verb, scoring_path(endpoint, below), header)
                for endpoint in (ALPHA, BETA, MISSING)
                for header in (None, *map(password, ("wrong", "", world.keys["the admin"], world.keys["reader"])))
            }
            given = world.scoring(verb, scoring_path(ALPHA, below), password(world.keys["alpha's primary"]))
            refused.add(world.scoring(verb, scoring_path(BETA, below), password(world.keys["alpha's primary"])))
            assert len(refused) == 1, (verb, below, refused)
            asked = dict(next(iter(refused)).headers)["www-authenticate"]
            assert asked == ('Basic realm="endpoint"' if is_document else "Bearer"), (verb, below)
            assert (given not in refused) == is_document, (verb, below)


@pytest.mark.parametrize("more", ORIGINS)
def test_no_header_makes_an_endpoint_visible(world: AccessWorld, more: dict[str, str]) -> None:
    for below in BELOW:
        for verb in VERBS:
            answers = {
                world.scoring(verb, scoring_path(endpoint, below), header, b"{}" if verb == "POST" else None, **more)
                for endpoint in (ALPHA, BETA, MISSING)
                for header in (None, b"Bearer wrong", bearer(world.keys["the admin"]))
            }
            assert len(answers) == 1, (verb, below, answers)
            is_preflight = verb == "OPTIONS" and below.rstrip("/").endswith("/score") and "Origin" in more
            assert next(iter(answers)).status == (200 if is_preflight else 401), (verb, below)


@pytest.mark.parametrize(
    "path",
    [
        "/endpoints/{}/score",
        "/endpoints/%61{}/score",
        "/endpoints/{}%2Fscore",
        "/endpoints/{}/%73core",
        "/endpoints//{}/score",
        "/./endpoints/{}/score",
        "/endpoints/none/../{}/score",
        "/ENDPOINTS/{}/score",
        "//endpoints/{}/score",
        "/endpoints/{}?deployment=blue",
        "/endpoints/{}#score",
        "http://127.0.0.1/endpoints/{}/score",
    ],
)
def test_no_way_to_write_a_path_makes_an_endpoint_visible(world: AccessWorld, path: str) -> None:
    for names in ((ALPHA, MISSING), (ALPHA.upper(), MISSING.upper()), (ALPHA[1:], MISSING)):
        for verb in VERBS:
            answers = {
                world.scoring(verb, path.format(name), header) for name in names for header in (None, b"Bearer x")
            }
            assert len(answers) == 1, (verb, path, answers)
            assert next(iter(answers)).status in (401, 404)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (ALPHA, "alpha's primary"),
        (ALPHA, "alpha's secondary"),
        (ALPHA, "admin-user"),
        (ALPHA, "admin-of-alpha"),
        (ALPHA, "invoker"),
        (ALPHA, "invoker-of-alpha"),
        (BETA, "beta's token"),
        (BETA, "admin-user"),
        (BETA, "invoker"),
    ],
)
def test_whoever_has_a_credential_is_answered_everywhere(world: AccessWorld, endpoint: str, name: str) -> None:
    header = bearer(world.keys[name])
    for below in BELOW:
        statuses = [world.scoring(verb, scoring_path(endpoint, below), header).status for verb in VERBS]
        assert not {401, 403} & set(statuses), (below, statuses)
        is_there = "nothing" not in below and "//" not in below
        assert bool(set(statuses) - {404, 405}) == is_there, (below, statuses)
    answer = world.scoring("POST", scoring_path(endpoint, "/invocations"), header, {"dataframe_records": []})
    assert answer.status in (200, 400)


def test_the_paths_asked_here_are_all_that_an_endpoint_has(world: AccessWorld) -> None:
    header = bearer(world.keys["alpha's primary"])
    for below in ("/nothing", "/v2/nothing"):
        told = world.scoring("GET", scoring_path(ALPHA, below), header).body.decode()
        listed = set(re.findall(r"/endpoints/[^ ,\"]+", told))
        assert listed
        assert listed <= {scoring_path(ALPHA, known) for known in BELOW}, told


def test_outside_of_endpoints_scoring_tells_that_it_is_there_and_nothing_else(world: AccessWorld) -> None:
    for path in ("/", "/version", "/metrics", "/-/reload", "/endpoints", "/v2", "/invocations", "/score", "/docs"):
        for verb in VERBS:
            answers = {
                world.scoring(verb, path, header)
                for header in (None, bearer(world.keys["the admin"]), bearer(world.keys["alpha's primary"]))
            }
            assert [answer.status for answer in answers] == [404], (verb, path, answers)
    assert world.scoring("GET", "/ping").status == 200


def test_a_token_ends_when_it_is_to_end(world: AccessWorld) -> None:
    world.put_token("beta's short token", time.time() + 2)
    world.until(lambda: world.scores(BETA, "beta's short token"), 2)
    header = bearer(world.keys["beta's short token"])
    assert world.scoring("GET", scoring_path(ALPHA, "/swagger.json"), header).status == 401
    world.until(lambda: not world.scores(BETA, "beta's short token"), 3)
    assert world.scoring("GET", scoring_path(BETA, "/score"), header) == world.scoring(
        "GET", scoring_path(MISSING, "/score")
    )
    assert world.scores(BETA, "beta's token")
    del world.keys["beta's short token"]


def test_a_later_endpoint_of_the_same_name_has_other_keys(world: AccessWorld) -> None:
    client = world.client
    made = []
    for name in ("gamma's former key", "gamma's key"):
        client.create_online_endpoint(OnlineEndpointSpec(name="gamma"))
        client.wait_for_online_endpoint("gamma")
        world.written[name] = getattr(client.get_credentials("gamma"), "primary_key", "")
        made.append(bearer(world.written[name]))
        assert world.scoring("GET", scoring_path("gamma", "/score"), made[-1]).status == 404  # it has no deployment
        if len(made) == 1:
            client.delete_online_endpoint("gamma")
            client.wait_until_online_endpoint_is_gone("gamma")
            gone = world.scoring("GET", scoring_path("gamma", "/score"), made[0])
            assert gone == world.scoring("GET", scoring_path(MISSING, "/score"))
    assert world.scoring("GET", scoring_path("gamma", "/score"), made[0]) == gone
    client.delete_online_endpoint("gamma")
    client.wait_until_online_endpoint_is_gone("gamma")


# -- what is written down ----------------------------------------------------------------------------------------------


def test_no_key_is_written_but_the_admins_own(world: AccessWorld) -> None:
    home = world.server.home
    own = {home / "admin.key": "the admin"}
    secret = (home / "secret").read_text().strip()
    written = {**world.written, "the secret": secret}
    files = [path for path in home.rglob("*") if path.is_file() and "models" not in path.relative_to(home).parts]
    assert {home / "modelport.db", home / "run" / "table.json"} <= set(files)
    for file in [*files, world.server.log]:
        content = file.read_bytes()
        found = {name for name, key in written.items() if key.encode() in content}
        found -= {own.get(file, ""), "the secret" if file == home / "secret" else ""}
        assert not found, file
    for pid in [world.server.process.pid, *world.server.children()]:
        told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not {name for name, key in written.items() if key.encode() in told}, told


def test_what_is_kept_is_for_its_owner_alone(world: AccessWorld) -> None:
    home = world.server.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    kept = [path for path in home.rglob("*") if path.relative_to(home).parts[0] not in ("models", "runtime")]
    assert [path for path in kept if path.is_file() and path.stat().st_mode & 0o077] == []
    for name in ("admin.key", "secret", "modelport.db", "modelport.db-wal", "run/table.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
