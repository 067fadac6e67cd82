"""What a change of a deployment takes: nothing, other workers, or that it is refused."""

from pathlib import Path
from typing import Any

import pytest

from modelport.control import deployments
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.revision import Revision
from modelport.domain.states import ProvisioningState
from modelport.errors import Conflict, InvalidInput
from modelport.store.content import ContentStore
from modelport.store.store import Store
from tests.modelport.store import samples

STATES = ProvisioningState
LIMITS = {"max_concurrent_requests_per_instance": 2, "request_timeout_ms": 500, "max_queue_wait_ms": 50}


class World:
    """A deployment ``blue`` of ``rent``."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self._content = ContentStore(folder)
        with store.writing() as transaction:
            for version in ("1", "2"):
                transaction.add_model(samples.model(version=version, type="mlflow_model"))
            transaction.add_endpoint(samples.endpoint())
            spec = samples.revision().spec.changed({"model": "azureml:churn:1", "request_settings": LIMITS}, "a test")
            deployments.create(transaction, self._content, spec, "ada", all_traffic=False)

    def blue(self) -> OnlineDeployment:
        with self.store.reading() as transaction:
            found = transaction.deployment("rent", "blue")
        assert found is not None
        return found

    def revisions(self) -> list[Revision]:
        with self.store.reading() as transaction:
            return transaction.revisions(self.blue().id)

    def settle(self, state: Any = "live", provisioning: ProvisioningState = STATES.SUCCEEDED) -> None:
        """The last revision has become this."""
        with self.store.writing() as transaction:
            last = transaction.revisions(self.blue().id)[-1]
            transaction.put_revision(last.model_copy(update={"state": state, "workers": {"count": 1}}))
            transaction.replace_deployment(self.blue().model_copy(update={"provisioning_state": provisioning}))

    def update(self, **changes: Any) -> OnlineDeployment:
        with self.store.writing() as transaction:
            return deployments.update(transaction, self._content, self.blue(), changes, "ada")

    def check_traffic(self, **keys: Any) -> None:
        with self.store.reading() as transaction:
            deployments.check_traffic(transaction, OnlineEndpointSpec(name="rent", **keys))


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path / "content")


@pytest.mark.parametrize(
    ("changes", "is_in_place", "state"),
    [
        ({"tags": {"team": "growth"}}, True, STATES.UPDATING),
        ({"description": "another"}, True, STATES.UPDATING),
        ({"instance_count": 3}, True, STATES.SCALING),
        ({"request_settings": {**LIMITS, "max_queue_wait_ms": 70}}, True, STATES.UPDATING),
        ({"request_settings": {**LIMITS, "max_concurrent_requests_per_instance": 3}}, False, STATES.UPDATING),
        ({"request_settings": {**LIMITS, "request_timeout_ms": 600}}, False, STATES.UPDATING),
        ({"request_settings": None}, False, STATES.UPDATING),
        ({"model": "azureml:churn@latest"}, False, STATES.UPDATING),
        ({"environment_variables": {"A": "b"}}, False, STATES.UPDATING),
        ({"instance_type": "small"}, False, STATES.UPDATING),
        ({"instance_count": 3, "instance_type": "small"}, False, STATES.UPDATING),
        ({"liveness_probe": {"period": 5}}, False, STATES.UPDATING),
        ({}, True, STATES.UPDATING),
    ],
    ids=str,
)
def test_what_workers_were_told_takes_others_and_nothing_else_does(
    world: World, changes: dict[str, Any], is_in_place: bool, state: ProvisioningState
) -> None:
    world.settle()
    assert world.update(**changes).provisioning_state == state
    assert [revision.number for revision in world.revisions()] == ([1] if is_in_place else [1, 2])
    last = world.revisions()[-1]
    assert last.state == ("live" if is_in_place else "wanted")
    assert {revision.position for revision in world.revisions()} == {1}
    assert last.spec.instance_count == changes.get("instance_count", 1)
    if is_in_place:
        assert last.workers == {"count": changes.get("instance_count", 1)}


def test_one_that_failed_is_tried_again_and_its_failed_revision_forgotten(world: World) -> None:
    world.settle()
    world.update(model="azureml:churn:2")
    world.settle("failed", STATES.FAILED)
    after = world.update()
    assert (after.provisioning_state, after.error, after.model) == (STATES.UPDATING, None, "azureml:churn:2")
    assert [(revision.number, revision.state) for revision in world.revisions()] == [(1, "live"), (3, "wanted")]


def test_nothing_is_changed_while_something_goes_on(world: World) -> None:
    with pytest.raises(Conflict, match="Creating"):
        world.update(tags={"a": "b"})
    assert world.blue().tags == {}


@pytest.mark.parametrize("changes", [{"name": "green"}, {"endpoint_name": "other"}])
def test_names_never_change(world: World, changes: dict[str, str]) -> None:
    world.settle()
    with pytest.raises(InvalidInput, match="never changes"):
        world.update(**changes)
    assert world.update(name="BLUE").name == "blue"


@pytest.mark.parametrize(
    ("keys", "error", "said"),
    [
        ({"traffic": {"green": 100}}, InvalidInput, "no deployment 'green'"),
        ({"mirror_traffic": {"green": 10}}, InvalidInput, "no deployment 'green'"),
        ({"traffic": {"blue": 100}, "mirror_traffic": {"blue": 10}}, InvalidInput, "mirrored to as well"),
    ],
)
def test_traffic_is_for_what_can_answer(world: World, keys: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(Conflict, match="Creating"):
        world.check_traffic(traffic={"blue": 100})
    world.check_traffic(traffic={"blue": 0})
    world.settle()
    world.check_traffic(traffic={"blue": 100})
    world.check_traffic(mirror_traffic={"blue": 10})
    with pytest.raises(error, match=said):
        world.check_traffic(**keys)
