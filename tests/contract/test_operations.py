"""Every operation, called and over HTTP: the same answers, the same refusals."""

import functools
import io
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from modelport.control.refusals import NOTED
from modelport.domain.access import Grant
from modelport.domain.content import content_path
from modelport.domain.credentials import Keys, Token
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.domain.operations import ControlPlane
from modelport.domain.seen import Minute
from modelport.domain.states import ProvisioningState
from modelport.errors import Conflict, InvalidInput, NotFound, PermissionDenied, Unauthenticated
from tests.contract.world import World, raised

CONDA = {"dependencies": ["python=3.11", {"pip": ["scikit-learn==1.5.2"]}]}


def test_content_is_known_once_it_was_uploaded(either: World, model_folder: Path) -> None:
    path = content_path(model_folder)
    assert not either.plane.has_content(path)
    assert either.content(model_folder) == path
    assert either.plane.has_content(path)


def test_a_body_that_is_no_archive_is_refused(either: World) -> None:
    with pytest.raises(InvalidInput):
        either.plane.upload_content(io.BytesIO(b"no archive" * 1000))


def test_a_model_is_registered_version_by_version(either: World, model_folder: Path) -> None:
    plane = either.plane
    spec = ModelSpec(name="churn", path=either.content(model_folder), tags={"team": "growth"})
    first = plane.create_model(spec)
    second = plane.create_model(spec)
    assert (first.version, second.version, first.id, first.created_by) == ("1", "2", "churn:1", "admin")
    assert plane.get_model("churn") == second
    assert plane.get_model("churn", "1") == first
    assert plane.get_model("churn", label="latest") == second
    assert plane.list_models() == [second, first] == plane.list_models("churn")
    assert plane.list_models("other") == []


def test_a_version_never_changes(either: World, model_folder: Path) -> None:
    spec = ModelSpec(name="churn", version="a.1", path=either.content(model_folder))
    first = either.plane.create_model(spec)
    assert either.plane.create_model(spec) == first
    with pytest.raises(Conflict, match="type"):
        either.plane.create_model(spec.model_copy(update={"type": "mlflow_model"}))
    with pytest.raises(InvalidInput, match="path"):
        either.plane.update_model("churn", "a.1", {"path": "elsewhere"})


def test_what_is_said_of_a_model_may_change(either: World, model_folder: Path) -> None:
    either.plane.create_model(ModelSpec(name="churn", path=either.content(model_folder), description="old"))
    changed = either.plane.update_model("churn", "1", {"description": None, "tags": {"a": 1}})
    assert (changed.description, changed.tags) == (None, {"a": "1"})
    assert either.plane.get_model("churn", "1") == changed


def test_archived_models_are_shown_on_request(either: World, model_folder: Path) -> None:
    plane = either.plane
    spec = ModelSpec(name="churn", path=either.content(model_folder))
    plane.create_model(spec)
    plane.create_model(spec)
    plane.archive_model("churn", "1", True)
    assert [model.version for model in plane.list_models()] == ["2"]
    assert [model.version for model in plane.list_models(archived=True)] == ["1"]
    assert [model.version for model in plane.list_models(archived=None)] == ["2", "1"]
    plane.archive_model("churn", None, True)
    assert plane.list_models() == []
    assert "every version of model 'churn' is archived" in raised(lambda: plane.get_model("churn")).message
    assert plane.get_model("churn", "2").is_archived
    plane.archive_model("churn", None, False)
    assert len(plane.list_models()) == 2


def test_a_model_can_be_downloaded(either: World, model_folder: Path) -> None:
    either.plane.create_model(ModelSpec(name="churn", path=either.content(model_folder)))
    stream = io.BytesIO(b"".join(either.plane.download_model("churn", "1")))
    with tarfile.open(fileobj=stream) as archive:
        member = archive.extractfile("model/data/weights.bin")
        assert member is not None
        assert member.read() == (model_folder / "data" / "weights.bin").read_bytes()


def test_environments_are_registered_like_models(either: World) -> None:
    plane = either.plane
    spec = EnvironmentSpec(name="sklearn", conda_file=CONDA)
    first = plane.create_environment(spec)
    second = plane.create_environment(spec)
    assert (first.version, second.version) == ("1", "2")
    assert first.conda_file == CONDA
    assert plane.get_environment("sklearn") == second
    assert plane.get_environment("sklearn", "1") == first
    plane.archive_environment("sklearn", "1", True)
    assert plane.list_environments() == [second]
    assert [found.version for found in plane.list_environments("sklearn", None)] == ["2", "1"]


def test_an_endpoint_lives(either: World) -> None:
    plane = either.plane
    endpoint = plane.create_online_endpoint(OnlineEndpointSpec(name="Churn", tags={"a": "b"}))
    assert (endpoint.name, endpoint.provisioning_state) == ("churn", ProvisioningState.CREATING)
    assert endpoint.scoring_uri.endswith("/endpoints/churn/score")
    either.settle()
    overwritten = plane.create_online_endpoint(OnlineEndpointSpec(name="churn", description="new"))
    assert (overwritten.id, overwritten.description, overwritten.tags) == (endpoint.id, "new", {"a": "b"})
    either.settle()
    assert plane.list_online_endpoints() == [plane.get_online_endpoint("churn")]
    plane.delete_online_endpoint("churn")
    assert plane.get_online_endpoint("churn").provisioning_state == ProvisioningState.DELETING
    either.settle()
    with pytest.raises(NotFound):
        plane.get_online_endpoint("churn")


def test_one_step_at_a_time(either: World) -> None:
    either.plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    with pytest.raises(Conflict, match="Creating"):
        either.plane.update_online_endpoint("churn", {"description": "new"})


def test_keys_are_made_anew_one_at_a_time(either: World) -> None:
    plane = either.plane
    plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    before = plane.get_credentials("churn")
    after = plane.regenerate_keys("churn", "secondary")
    assert isinstance(before, Keys) and isinstance(after, Keys)
    assert before.primary_key == after.primary_key
    assert before.secondary_key != after.secondary_key
    assert plane.get_credentials("churn") == after


def test_tokens_expire(either: World) -> None:
    either.plane.create_online_endpoint(OnlineEndpointSpec(name="churn", auth_mode="aml_token"))
    token = either.plane.get_credentials("churn")
    assert isinstance(token, Token)
    assert token.expiry_time_utc > token.refresh_after_time_utc
    with pytest.raises(Conflict):
        either.plane.regenerate_keys("churn", "primary")


def test_a_deployment_lives(either: World, model_folder: Path) -> None:
    either.deployed(model_folder)
    plane = either.plane
    model = ModelSpec(path=either.content(model_folder), type="mlflow_model")
    spec = OnlineDeploymentSpec(name="green", endpoint_name="churn", model=model, instance_count=2)
    green = plane.create_online_deployment(spec)
    assert (green.provisioning_state, green.instance_count) == (ProvisioningState.CREATING, 2)
    assert isinstance(green.model, str)
    either.settle()
    with pytest.raises(Conflict, match="green"):
        plane.create_online_deployment(spec)
    assert [found.name for found in plane.list_online_deployments("churn")] == ["blue", "green"]
    scaled = plane.update_online_deployment("churn", "green", {"instance_count": 3})
    assert (scaled.provisioning_state, scaled.instance_count) == (ProvisioningState.SCALING, 3)
    either.settle()
    assert plane.update_online_endpoint("churn", {"traffic": {"blue": 90, "green": 10}}).traffic == {
        "blue": 90,
        "green": 10,
    }
    either.settle()
    with pytest.raises(Conflict, match="10 percent"):
        plane.delete_online_deployment("churn", "green")
    plane.update_online_endpoint("churn", {"traffic": {"blue": 100, "green": 0}})
    either.settle()
    plane.delete_online_deployment("churn", "green")
    assert plane.get_online_deployment("churn", "green").provisioning_state == ProvisioningState.DELETING
    either.settle()
    with pytest.raises(NotFound, match="green"):
        plane.get_online_deployment("churn", "green")


def test_deployments_that_are_not_named_keep_their_share(either: World, model_folder: Path) -> None:
    either.deployed(model_folder)
    with pytest.raises(InvalidInput, match="100"):
        either.plane.update_online_endpoint("churn", {"traffic": {"blue": 50}})
    assert either.plane.get_online_endpoint("churn").traffic == {"blue": 100}


def test_all_traffic_is_asked_for_with_the_deployment(either: World, model_folder: Path) -> None:
    either.deployed(model_folder)
    spec = OnlineDeploymentSpec(name="green", endpoint_name="churn", model="azureml:churn@latest")
    green = either.plane.create_online_deployment(spec, all_traffic=True)
    with either.control.store.reading() as transaction:
        assert [revision.takes_all_traffic for revision in transaction.revisions(green.id)] == [True]


def test_the_last_lines_of_a_log_are_told(either: World, model_folder: Path) -> None:
    from modelport.control import logs

    either.deployed(model_folder)
    blue = either.plane.get_online_deployment("churn", "blue")
    for container in ("inference-server", "storage-initializer"):
        file = logs.opened(logs.path(either.control.settings.home, blue, container))
        file.write_text(f"{container} one\ntwo ünd\nthree\n")
    assert either.plane.get_logs("churn", "blue", lines=2) == "two ünd\nthree\n"
    assert either.plane.get_logs("churn", "blue", container="storage-initializer").startswith("storage-initializer")


def test_a_user_has_a_key_until_it_is_deleted(either: World) -> None:
    user, key = either.plane.create_user("Training-Job", [Grant(scope="read"), Grant(scope="deploy", endpoint="churn")])
    assert (user.name, [grant.endpoint for grant in user.grants]) == ("training-job", ["*", "churn"])
    assert either.plane.list_users() == [user]
    theirs = either.plane_of(key)
    assert theirs.list_models() == []
    either.plane.delete_user("training-job")
    with pytest.raises(Unauthenticated):
        either.plane_of(key).list_models()
    with pytest.raises(NotFound):
        either.plane.delete_user("training-job")


def test_what_a_user_may_not_do_looks_the_same_whether_it_exists_or_not(either: World, model_folder: Path) -> None:
    either.deployed(model_folder)
    _, key = either.plane.create_user("reader", [Grant(scope="read", endpoint="other")])
    plane = either.plane_of(key)
    calls = [
        lambda name: plane.get_online_endpoint(name),
        lambda name: plane.get_credentials(name),
        lambda name: plane.delete_online_endpoint(name),
        lambda name: plane.list_online_deployments(name),
        lambda name: plane.get_history(name, datetime.now(UTC)),
    ]
    for call in calls:
        there, missing = (raised(functools.partial(call, name)) for name in ("churn", "nothing"))
        assert isinstance(there, PermissionDenied)
        assert (there.message, there.hint, there.code) == (missing.message, missing.hint, missing.code)
    assert plane.list_online_endpoints() == []


def test_history_is_told_from_a_time_on(either: World) -> None:
    either.plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    percentiles: dict[str, Any] = {f"latency_p{rank}": 1.5 for rank in (50, 90, 95, 99)}
    minutes = [
        Minute(at=at + timedelta(minutes=n), endpoint="churn", deployment="blue", requests={"200": n}, **percentiles)
        for n in range(3)
    ]
    with either.control.store.writing() as transaction:
        transaction.add_minutes(minutes)
    assert either.plane.get_history("churn", at + timedelta(minutes=1)) == minutes[1:]


def test_who_changed_what_is_told_newest_first(either: World) -> None:
    either.plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    either.plane.get_credentials("churn")
    entries = either.plane.list_audit(2)
    assert [entry.operation for entry in entries] == ["get_credentials", "create_online_endpoint"]
    assert {(entry.who, entry.what) for entry in entries} == {("admin", "online-endpoint/churn")}


def test_the_audit_trail_is_told_from_a_time_on(either: World) -> None:
    either.plane.create_online_endpoint(OnlineEndpointSpec(name="churn"))
    either.plane.get_credentials("churn")
    newest, _ = either.plane.list_audit()
    assert either.plane.list_audit(since=newest.at) == [newest]
    assert either.plane.list_audit(since=newest.at + timedelta(seconds=1)) == []
    assert either.plane.list_audit(1, newest.at - timedelta(days=1)) == [newest]


def test_what_a_known_user_is_refused_is_in_the_audit_trail_as_far_as_there_is_room(either: World) -> None:
    _, key = either.plane.create_user("ana", [Grant(scope="read", endpoint="churn")])
    ana = either.plane_of(key)
    for _ in range(NOTED + 2):
        raised(lambda: ana.delete_online_endpoint("Other"))
    either.plane.create_user("ben", [Grant(scope="invoke")])
    raised(lambda: ana.list_models())
    entries = [entry for entry in either.plane.list_audit() if entry.outcome == "refused"]
    assert len(entries) == NOTED
    assert {(entry.who, entry.operation, entry.what, entry.details["scope"]) for entry in entries} == {
        ("ana", "delete_online_endpoint", "online-endpoint/other", "deploy")
    }
    assert {entry.outcome for entry in either.plane.list_audit() if entry.who == "admin"} == {"done"}


def test_a_long_name_that_was_refused_is_cut(either: World) -> None:
    _, key = either.plane.create_user("ana", [Grant(scope="invoke")])
    raised(lambda: either.plane_of(key).get_online_endpoint("x" * 2000))
    entry = either.plane.list_audit(1)[0]
    assert (entry.outcome, len(entry.what)) == ("refused", len("online-endpoint/") + 64)


def test_the_server_tells_of_itself(either: World) -> None:
    assert either.plane.get_status()["version"] == "0"
    assert either.plane.get_metrics() == b"modelport_up 1\n"


def test_nobody_is_refused(either: World) -> None:
    with pytest.raises(Unauthenticated):
        either.plane_of("wrong").list_models()


def _failing(plane: ControlPlane) -> dict[str, object]:
    deployment = OnlineDeploymentSpec(name="green", endpoint_name="churn", model="azureml:churn:1")
    endpoint = OnlineEndpointSpec(name="fresh", traffic={"blue": 100})
    return {
        "no such model": lambda: plane.get_model("nothing"),
        "no such version": lambda: plane.get_model("churn", "7"),
        "no content": lambda: plane.create_model(ModelSpec(name="m", path=f"content://{'0' * 64}/model")),
        "no content path": lambda: plane.has_content("elsewhere"),
        "no such environment": lambda: plane.get_environment("nothing"),
        "no such endpoint": lambda: plane.update_online_endpoint("nothing", {}),
        "an unknown key": lambda: plane.update_online_endpoint("churn", {"trafic": {}}),
        "traffic at creation": lambda: plane.create_online_endpoint(endpoint),
        "a deployment that is there": lambda: plane.create_online_deployment(
            deployment.model_copy(update={"name": "blue"})
        ),
        "no such instance type": lambda: plane.create_online_deployment(
            deployment.model_copy(update={"instance_type": "smal"})
        ),
        "several unknown keys": lambda: plane.update_online_deployment("churn", "blue", {"a": 1, "b": 2}),
        "live traffic": lambda: plane.delete_online_deployment("churn", "blue"),
        "no log": lambda: plane.get_logs("churn", "green"),
        "no such user": lambda: plane.delete_user("nobody"),
    }


def test_errors_are_the_same_over_http(http_world: World, model_folder: Path) -> None:
    http_world.deployed(model_folder)
    local, remote = _failing(http_world.local_plane_of("the-key-of-the-admin")), _failing(http_world.plane)
    for what, call in local.items():
        here, there = raised(call), raised(remote[what])
        assert type(here) is type(there), what
        assert (here.code, here.message, here.hint, here.details) == (
            there.code,
            there.message,
            there.hint,
            there.details,
        ), what
