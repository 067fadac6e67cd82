"""The table says what the store says: who answers, with which share and limits, and who may ask."""

import time
from dataclasses import asdict
from typing import Any

import pytest
from sqlalchemy import event

from modelport.control import routing
from modelport.domain.access import Grant, Scope, User
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.revision import Revision
from modelport.domain.states import ProvisioningState
from modelport.store.store import Store
from modelport.store.transaction import StoredCredential
from modelport.supervisor.table import DeploymentRoute, EndpointRoute, Mirror, Probe, Table, WantedWorkers
from tests.modelport.store.samples import NOW, deployment, endpoint


def put(
    store: Store,
    name: str,
    number: int = 1,
    state: Any = "live",
    settings: dict[str, int] | None = None,
    readiness: dict[str, int] | None = None,
    **more: Any,
) -> None:
    """A revision of a deployment, which is added where it is not there."""
    about = deployment(name).model_copy(update=more)
    wanted = {"name": name, "endpoint_name": "rent", "request_settings": settings or {}, "instance_count": 2}
    wanted["readiness_probe"] = readiness
    workers = WantedWorkers(f"rent/{name}/{number}", {}, 2, 60.0, None, "log")
    with store.writing() as transaction:
        if transaction.deployment("rent", name) is None:
            transaction.add_deployment(about)
        transaction.put_revision(
            Revision(
                deployment_id=about.id,
                number=number,
                state=state,
                spec=OnlineDeploymentSpec.read(wanted, "a test"),
                workers=None if state == "wanted" else asdict(workers),
                position=7,
            )
        )


def table(store: Store) -> Table:
    with store.reading() as transaction:
        return routing.table(routing.Stored.read(transaction))


def add_endpoint(store: Store, **more: Any) -> None:
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint(**more))


def only(store: Store) -> EndpointRoute:
    (route,) = table(store).endpoints
    return route


def only_deployment(store: Store) -> DeploymentRoute:
    (route,) = only(store).deployments
    return route


def test_an_endpoint_is_there_before_anything_answers_it(store: Store) -> None:
    add_endpoint(store)
    assert (only(store).name, only(store).deployments, only(store).mirror) == ("rent", [], None)


def test_many_endpoints_take_no_more_questions_to_the_store_than_one(store: Store) -> None:
    asked = []
    event.listen(store._engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    add_endpoint(store)
    asked.clear()
    table(store)
    of_one = len(asked)
    with store.writing() as transaction:
        for number in range(20):
            transaction.add_endpoint(endpoint(f"rent-{number}"))
            transaction.put_credential(StoredCredential(endpoint(f"rent-{number}").id, "primary", 1, f"{number}"))
    asked.clear()
    routes = table(store).endpoints
    assert (len(routes), len(asked)) == (21, of_one)
    assert {credential.digest for route in routes for credential in route.credentials} == set(map(str, range(20)))


def test_deployments_have_their_shares_and_the_mirror_is_one_that_is_there(store: Store) -> None:
    add_endpoint(store, traffic={"green": 90, "blue": 10}, mirror_traffic={"teal": 20})
    for name in ("green", "blue"):
        put(store, name)
    assert [(route.name, route.percent) for route in only(store).deployments] == [("blue", 10), ("green", 90)]
    assert only(store).mirror is None
    put(store, "teal")
    assert only(store).mirror == Mirror("teal", 20)


def test_the_old_workers_are_routed_to_until_the_new_ones_are_live(store: Store) -> None:
    add_endpoint(store)
    put(store, "blue", 1, "live")
    put(store, "blue", 2, "wanted")
    assert [workers.id for workers in table(store).workers] == ["rent/blue/1"]
    put(store, "blue", 2, "starting")
    found = [(workers.id, workers.has_answered) for workers in table(store).workers]
    assert found == [("rent/blue/1", True), ("rent/blue/2", False)]
    assert only_deployment(store).workers == "rent/blue/1"
    put(store, "blue", 2, "failed")
    assert [workers.id for workers in table(store).workers] == ["rent/blue/1"]
    assert only_deployment(store).workers == "rent/blue/1"


def test_what_is_being_deleted_is_not_in_it(store: Store) -> None:
    add_endpoint(store)
    put(store, "blue")
    put(store, "green", provisioning_state=ProvisioningState.DELETING)
    assert [workers.id for workers in table(store).workers] == ["rent/blue/1"]
    assert only_deployment(store).name == "blue"
    with store.writing() as transaction:
        transaction.replace_endpoint(endpoint().model_copy(update={"provisioning_state": ProvisioningState.DELETING}))
    assert table(store).endpoints == []


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, (60.0, routing.MAX_OPEN, None, None)),
        ({"request_timeout_ms": 1500}, (1.5, routing.MAX_OPEN, None, None)),
        ({"max_concurrent_requests_per_instance": 3}, (60.0, 12, 3, None)),
        ({"max_queue_wait_ms": 0}, (60.0, routing.MAX_OPEN, None, 0.0)),
    ],
    ids=str,
)
def test_limits_are_those_of_the_file_and_ours_where_it_says_none(
    store: Store, settings: dict[str, int], wanted: tuple[Any, ...]
) -> None:
    add_endpoint(store)
    put(store, "blue", settings=settings)
    route = only_deployment(store)
    assert (route.timeout, route.max_open, route.max_concurrent, route.max_wait) == wanted
    assert route.position == 7


@pytest.mark.parametrize(
    ("mode", "wanted"), [("key", {"primary", "secondary"}), ("aml_token", {"token"}), ("aad_token", {"token"})]
)
def test_credentials_are_of_the_endpoints_kind_and_have_not_expired(store: Store, mode: str, wanted: set[str]) -> None:
    add_endpoint(store, auth_mode=mode)
    slots: tuple[Any, ...] = ("primary", "secondary", "token")
    with store.writing() as transaction:
        for slot in slots:
            transaction.put_credential(StoredCredential(endpoint().id, slot, 1, slot))
        transaction.put_credential(StoredCredential(endpoint().id, "token", 2, "old", time.time() - 1))
    assert {credential.digest for credential in only(store).credentials} == wanted


@pytest.mark.parametrize(
    ("scope", "on", "may"),
    [
        ("invoke", "rent", True),
        ("invoke", "*", True),
        ("admin", "*", True),
        ("invoke", "other", False),
        ("read", "rent", False),
        ("deploy", "*", False),
    ],
)
def test_users_who_may_invoke_have_their_key_taken(store: Store, scope: Scope, on: str, may: bool) -> None:
    add_endpoint(store)
    with store.writing() as transaction:
        user = User(name="ada", grants=[Grant(scope=scope, endpoint=on)], created_at=NOW)
        transaction.add_user(user, "digest-of-ada")
    assert ["digest-of-ada"] * may == [credential.digest for credential in only(store).credentials]


@pytest.mark.parametrize(("text", "passes"), [("true", True), ("True", True), ("false", False), ("", False)])
def test_client_errors_pass_where_a_property_says_so(store: Store, text: str, passes: bool) -> None:
    add_endpoint(store, properties={"modelport.pass_client_errors": text})
    assert only(store).pass_client_errors is passes


def test_readiness_is_as_the_file_says_now(store: Store) -> None:
    add_endpoint(store)
    put(store, "blue", readiness={"period": 3, "success_threshold": 2})
    (workers,) = table(store).workers
    assert workers.readiness == Probe(initial_delay=10, period=3, timeout=2, failures=30, successes=2)
    assert Table.from_dict(table(store).as_dict()).workers == [workers]
    put(store, "green")
    assert [workers.readiness is None for workers in table(store).workers] == [False, True]


def test_those_with_traffic_are_started_first(store: Store) -> None:
    add_endpoint(store, traffic={"green": 100})
    for name in ("blue", "green"):
        put(store, name)
        put(store, name, 2, "starting")
    assert table(store).workers[0].id == "rent/green/1"
    assert len(table(store).workers) == 4
