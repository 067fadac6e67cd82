"""What nobody needs is removed once it is old enough; what somebody needs, or another store, stays."""

import io
import logging
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from modelport.control import assets, logs
from modelport.control.tidying import AUDIT_KEPT, KEPT, STORE_ID, Tidying
from modelport.domain.content import archive
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.revision import Revision
from modelport.store.content import ContentStore
from modelport.store.store import Store
from tests.modelport.store.samples import audit_entry, deployment, endpoint, environment, model

OLD = time.time() - KEPT.total_seconds() - 60


class World:
    def __init__(self, store: Store, home: Path) -> None:
        self.store, self.home = store, home
        self.content = ContentStore(home / "models")
        self.tidying = Tidying(store, self.content, home)

    def upload(self, text: str, is_old: bool = True) -> str:
        """Content, which was uploaded long ago."""
        folder = self.home / "uploads" / "model"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text(text)
        path = self.content.add(io.BytesIO(b"".join(archive(folder))))
        if is_old:
            os.utime(self.content.folder(path).parent, (OLD, OLD))
        return path

    def folder(self, name: str, is_old: bool = True) -> Path:
        folder = self.home / name
        folder.mkdir(parents=True)
        (folder / "file.log").write_text("one\n")
        if is_old:
            for place in (folder / "file.log", folder):
                os.utime(place, (OLD, OLD))
        return folder


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    world = World(store, tmp_path)
    world.tidying.tidy()  # from here on it is the store's
    return world


def test_content_that_nobody_refers_to_goes_and_what_is_new_stays(world: World) -> None:
    old, new = world.upload("old"), world.upload("new", is_old=False)
    world.tidying.tidy()
    assert world.content.all() == [new]
    assert not world.content.has(old)


def test_content_that_somebody_just_asked_for_stays(world: World) -> None:
    """The client that asked leaves out the upload and registers it next."""
    asked, again = world.upload("asked"), world.upload("again")
    assert world.content.has(asked)
    world.upload("again", is_old=False)
    world.tidying.tidy()
    assert world.content.all() == sorted([asked, again])


def test_content_stays_as_long_as_a_version_or_a_deployment_refers_to_it(world: World) -> None:
    paths = [world.upload(text) for text in ("model", "archived", "package", "inline")]
    spec = OnlineDeploymentSpec(name="blue", endpoint_name="rent", environment=EnvironmentSpec(path=paths[3]))
    with world.store.writing() as transaction:
        transaction.add_model(model(version="1").model_copy(update={"path": paths[0]}))
        transaction.add_model(model(version="2").model_copy(update={"path": paths[1], "is_archived": True}))
        transaction.add_environment(environment().model_copy(update={"path": paths[2]}))
        transaction.add_endpoint(endpoint())
        transaction.add_deployment(deployment())
        transaction.put_revision(Revision(deployment_id=deployment().id, number=1, state="wanted", spec=spec))
    world.tidying.tidy()
    assert world.content.all() == sorted(paths)
    with world.store.writing() as transaction:
        transaction.remove_deployment("rent", "blue")
    world.tidying.tidy()
    assert world.content.all() == sorted(paths[:3])


def test_logs_and_laid_out_models_of_deleted_deployments_go_after_a_time(world: World) -> None:
    there = deployment()
    with world.store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        transaction.add_deployment(there)
        spec = OnlineDeploymentSpec(name="blue", endpoint_name="rent")
        transaction.put_revision(Revision(deployment_id=there.id, number=2, state="live", spec=spec))
    log = logs.path(world.home, there, "inference-server").parent.relative_to(world.home)
    kept = [
        world.folder(str(log)),
        world.folder("logs/rent/blue-00000000", is_old=False),
        world.folder(f"deployments/{there.id[:16]}-2"),
        world.folder("deployments/0000-1", is_old=False),
    ]
    gone = [
        world.folder("logs/rent/green-00000000"),
        world.folder("logs/gone/blue-00000000"),
        world.folder(f"deployments/{there.id[:16]}-1"),
        world.folder("deployments/0000-2"),
    ]
    just_deleted = world.folder("logs/rent/teal-00000000")
    logs.left(just_deleted)
    world.tidying.tidy()
    assert [folder for folder in (*kept, just_deleted) if not folder.exists()] == []
    assert [folder for folder in (*gone, world.home / "logs" / "gone") if folder.exists()] == []


def test_old_entries_of_the_audit_trail_go(world: World) -> None:
    with world.store.writing() as transaction:
        for days, name in ((2, "older"), (1, "old"), (-1, "kept"), (-2, "newer")):
            at = assets.now() - AUDIT_KEPT - timedelta(days=days)
            transaction.add_audit(audit_entry(name).model_copy(update={"at": at}))
    world.tidying.tidy()
    with world.store.reading() as transaction:
        assert [entry.operation for entry in transaction.audit(10)] == ["newer", "kept"]


def test_another_store_removes_nothing_of_this_folder(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, log = world.upload("model"), world.folder("logs/rent/blue-00000000")
    caplog.set_level(logging.WARNING, "modelport.control")
    other = Store.open(f"sqlite:///{tmp_path / 'other.db'}")
    try:
        Tidying(other, world.content, tmp_path).tidy()
    finally:
        other.close()
    assert (world.content.all(), log.exists()) == ([path], True)
    assert "another store's" in caplog.text
    world.tidying.tidy()
    assert (world.content.all(), log.exists()) == ([], False)


def test_a_folder_of_an_earlier_version_is_the_stores_that_knows_what_lies_there(world: World) -> None:
    (world.home / STORE_ID).unlink()
    known, unknown = world.upload("known"), world.upload("unknown")
    world.tidying.tidy()
    assert world.content.all() == sorted([known, unknown])
    with world.store.writing() as transaction:
        transaction.add_model(model().model_copy(update={"path": known}))
    world.tidying.tidy()
    assert world.content.all() == [known]


def test_it_is_done_at_the_start(world: World) -> None:
    path = world.upload("old")
    world.tidying.start()
    end = time.monotonic() + 10
    while path in world.content.all():
        assert time.monotonic() < end
        time.sleep(0.01)
    world.tidying.stop()
