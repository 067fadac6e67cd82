"""What is wanted is in force when the supervisor says so of the very table that was sent last."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelport.control.reconcile import Reconciler
from modelport.domain.states import ProvisioningState
from modelport.settings import UpSettings
from modelport.store.content import ContentStore
from modelport.store.store import Store
from modelport.supervisor.table import Table
from tests.modelport.store.samples import endpoint


class World:
    """``sent``: the tables that went to the supervisor."""

    def __init__(self, store: Store, home: Path) -> None:
        self.store = store
        self.sent: list[Table] = []
        content = ContentStore(home / "models")
        self.reconciler = Reconciler(store, content, UpSettings(home=home), self.sent.append, lambda position: None)
        self.reconciler.start()
        until(lambda: self.sent)

    def state(self) -> ProvisioningState:
        with self.store.reading() as transaction:
            (found,) = transaction.endpoints()
        return found.provisioning_state


@pytest.fixture
def world(store: Store, tmp_path: Path) -> Iterator[World]:
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
    world = World(store, tmp_path)
    yield world
    world.reconciler.stop()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_an_endpoint_succeeds_when_every_scoring_process_knows_it(world: World) -> None:
    assert world.state() == ProvisioningState.CREATING
    assert not world.reconciler.is_applied
    world.reconciler.applied(world.sent[-1].version)
    until(lambda: world.state() == ProvisioningState.SUCCEEDED)
    assert len(world.sent) == 1


def test_a_table_that_was_left_out_as_an_older_one_is_sent_again(world: World) -> None:
    """As after a clock was set back, or with another store: the supervisor has a later one of a control process before."""
    first = world.sent[-1]
    world.reconciler.applied(first.version + 10**9)
    assert not world.reconciler.is_applied
    until(lambda: len(world.sent) == 2)
    second = world.sent[-1]
    assert second.version > first.version + 10**9
    assert second.endpoints == first.endpoints
    assert world.state() == ProvisioningState.CREATING
    world.reconciler.applied(second.version)
    until(lambda: world.state() == ProvisioningState.SUCCEEDED)


def test_a_control_process_that_comes_later_is_not_behind_one_that_sent_many_tables(
    world: World, store: Store, tmp_path: Path
) -> None:
    for number in range(20):
        with store.writing() as transaction:
            transaction.add_endpoint(endpoint(f"endpoint-{number}"))
        world.reconciler.wake()
        until(lambda number=number: len(world.sent) >= number + 2)  # type: ignore[misc]
    later = World(store, tmp_path)
    later.reconciler.stop()
    assert later.sent[0].version > world.sent[-1].version
