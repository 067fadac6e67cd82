"""Each thing that is not well is named, with what to do about it."""

from pathlib import Path
from typing import Any

import pytest

from modelport.control import checking
from modelport.control.checking import checks
from modelport.control.secret import ADMIN_KEY, SECRET, written_once
from modelport.domain.states import ProvisioningState
from modelport.settings import UpSettings
from modelport.store.store import Store, _engine, _parsed
from tests.modelport.store.samples import deployment, endpoint


@pytest.fixture
def settings(tmp_path: Path) -> UpSettings:
    for name in (ADMIN_KEY, SECRET):
        written_once(tmp_path / name)
    return UpSettings(home=tmp_path)


def found(
    store: Store, settings: UpSettings, name: str, ready: dict[str, int] | None = None, is_applied: bool = True
) -> dict[str, Any]:
    return next(check for check in checks(store, settings, ready or {}, is_applied) if check["name"] == name)


def add(store: Store, **more: Any) -> str:
    """A deployment's id."""
    about = deployment().model_copy(update=more)
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        transaction.add_deployment(about)
    return about.id


def test_all_is_well(store: Store, settings: UpSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LITTLE_ROOM", 0)
    id = add(store, provisioning_state=ProvisioningState.SUCCEEDED)
    every = checks(store, settings, {id: 1}, True)
    assert [check for check in every if not check["is_well"] or check["hint"]] == []
    assert [check["name"] for check in every[:3]] == ["store", "disk", "secrets"]


def test_a_disk_with_little_room(store: Store, settings: UpSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LITTLE_ROOM", 1 << 62)
    disk = found(store, settings, "disk")
    assert not disk["is_well"]
    assert "prune" in disk["hint"]


def test_a_key_that_others_can_read(store: Store, settings: UpSettings) -> None:
    (settings.home / ADMIN_KEY).chmod(0o640)
    secrets = found(store, settings, "secrets")
    assert not secrets["is_well"]
    assert ADMIN_KEY in secrets["message"]
    assert SECRET not in secrets["message"].split()


def test_a_store_that_is_away_hides_nothing_else(store: Store, settings: UpSettings) -> None:
    add(store)
    well = [check["name"] for check in checks(store, settings, {}, True) if check["name"] not in ("disk", "uv")]
    assert well == ["store", "secrets", "interpreters", "routing", "deployment rent/blue"]
    with _engine(_parsed(settings.store_url)).connect() as connection:
        connection.exec_driver_sql("DROP TABLE settings")
        connection.commit()
    every = checks(store, settings, {}, True)
    assert {"disk", "secrets", "uv", "interpreters", "routing"} <= {check["name"] for check in every}
    assert "no such table" in found(store, settings, "store")["message"]
    assert "in the store" in found(store, settings, "deployments")["message"]


def test_a_key_that_is_gone(store: Store, settings: UpSettings) -> None:
    (settings.home / SECRET).unlink()
    secrets = found(store, settings, "secrets")
    assert not secrets["is_well"]
    assert SECRET in secrets["message"]
    assert found(store, settings, "store")["is_well"]


def test_scoring_that_lags_behind(store: Store, settings: UpSettings) -> None:
    assert not found(store, settings, "routing", is_applied=False)["is_well"]


def test_a_deployment_that_failed(store: Store, settings: UpSettings) -> None:
    told = {"code": "MODEL_NOT_LOADABLE", "message": "the tables are missing", "hint": "bring them"}
    add(store, provisioning_state=ProvisioningState.FAILED, error=told)
    check = found(store, settings, "deployment rent/blue")
    wanted = (False, "Failed: the tables are missing", "bring them")
    assert (check["is_well"], check["message"], check["hint"]) == wanted


def test_instances_that_are_missing(store: Store, settings: UpSettings) -> None:
    id = add(store, provisioning_state=ProvisioningState.SUCCEEDED, instance_count=3)
    check = found(store, settings, "deployment rent/blue", {id: 2})
    assert (check["is_well"], check["message"]) == (False, "2 of 3 instances are ready")
    assert "get-logs -e rent -n blue" in check["hint"]


def test_one_that_is_only_on_its_way_is_well(store: Store, settings: UpSettings) -> None:
    add(store, instance_count=3)
    assert found(store, settings, "deployment rent/blue")["is_well"]
