"""`modelport apply`: a folder made true, once and again."""

import threading
from pathlib import Path

import pytest

from modelport.domain.states import ProvisioningState
from tests.modelport.cli.endpoints.conftest import Server

FILES = {
    "1-endpoint.yml": "name: churn\nauth_mode: key\ntraffic: {blue: 90, green: 10}\ntags: {team: risk}\n",
    "2-blue.yml": "name: blue\nendpoint_name: churn\nmodel: azureml:churn@latest\ninstance_count: '1'\n",
    "3-green.yml": (
        "name: green\nendpoint_name: churn\nmodel: {path: ../rent, type: mlflow_model}\n"
        "environment: {conda_file: conda.yml}\nrequest_settings: {request_timeout_ms: 3000}\n"
    ),
    "4-model.yml": "name: churn\npath: ../rent\ntype: mlflow_model\ntags: {year: 2026}\n",
    "5-environment.yml": "name: scoring\nversion: 1\nconda_file: conda.yml\n",
    "conda.yml": "dependencies: [python=3.11, pip, {pip: [scikit-learn]}]\n",
    "notes.txt": "nothing\n",
}


@pytest.fixture
def folder(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "deploy"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def _lines(server: Server, folder: Path, *more: str) -> list[str]:
    result = server.run("apply", "-f", str(folder), *more)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout.splitlines()


def _edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def _audit(server: Server) -> int:
    return len(server.world.local_plane_of(server.variables["MODELPORT_KEY"]).list_audit(1000))


def test_a_folder_is_made_in_the_order_of_need_and_then_left_alone(server: Server, folder: Path) -> None:
    planned = _lines(server, folder, "--dry-run")
    assert planned == [
        "model/churn/the next version: would be created",
        "environment/scoring/1: would be created",
        "online-endpoint/churn: would be created",
        "online-deployment/churn/blue: would be created",
        "online-deployment/churn/green: would be created",
        "online-endpoint/churn: would be updated",
        '  traffic: {} → {"blue": 90, "green": 10}',
    ]
    assert server.ask("model", "list") == []
    assert _lines(server, folder) == [
        line.replace("would be ", "").replace("the next version", "1") for line in planned
    ]
    assert server.ask("online-endpoint", "show", "-n", "churn")["traffic"] == {"blue": 90, "green": 10}
    before = _audit(server)
    assert _lines(server, folder) == [
        "model/churn/1: unchanged",
        "environment/scoring/1: unchanged",
        "online-endpoint/churn: unchanged",
        "online-deployment/churn/blue: unchanged",
        "online-deployment/churn/green: unchanged",
    ]
    assert _lines(server, folder, "--dry-run") == _lines(server, folder)
    assert _audit(server) == before


def test_only_what_differs_is_changed(server: Server, folder: Path) -> None:
    _lines(server, folder)
    _edit(folder / "2-blue.yml", "instance_count: '1'", "instance_count: 3")
    _edit(folder / "1-endpoint.yml", "{blue: 90, green: 10}", "{green: 100}")
    changed = [
        "online-deployment/churn/blue: updated",
        "  instance_count: 1 → 3",
        "online-deployment/churn/green: unchanged",
        "online-endpoint/churn: updated",
        '  traffic: {"blue": 90, "green": 10} → {"green": 100}',
    ]
    planned = _lines(server, folder, "--dry-run")
    assert planned[3:] == [line.replace(": updated", ": would be updated") for line in changed]
    assert _lines(server, folder)[3:] == changed
    assert server.ask("online-deployment", "show", "-n", "blue", "-e", "churn")["instance_count"] == 3
    assert server.ask("online-endpoint", "show", "-n", "churn")["traffic"] == {"green": 100}


def test_another_content_is_another_version_and_what_takes_the_latest_moves_to_it(
    server: Server, folder: Path, model: Path
) -> None:
    _lines(server, folder)
    (model / "MLmodel").write_text("flavors: {changed: true}\n")
    planned = _lines(server, folder, "--dry-run")
    assert "model/churn/the next version: would be created" in planned
    assert '  model: "azureml:churn:1" → "azureml:churn@latest"' in planned
    assert "model/churn/2: created" in _lines(server, folder)
    assert server.ask("online-deployment", "show", "-n", "blue", "-e", "churn")["model"] == "azureml:churn:2"
    assert "online-deployment/churn/green: unchanged" in _lines(server, folder)


def test_what_a_version_never_changes_is_refused(server: Server, folder: Path) -> None:
    _lines(server, folder)
    _edit(folder / "conda.yml", "python=3.11", "python=3.12")
    said = server.refuse("apply", "-f", str(folder))
    assert "version 1 of environment 'scoring' has another conda_file" in said.message


def test_tags_of_a_model_change_in_place(server: Server, folder: Path) -> None:
    _lines(server, folder)
    _edit(folder / "4-model.yml", "2026", "2027")
    assert _lines(server, folder)[:2] == ["model/churn/1: updated", '  tags: {"year": "2026"} → {"year": "2027"}']
    assert server.ask("model", "show", "-n", "churn")["tags"] == {"year": "2027"}


def test_what_failed_is_tried_again(server: Server, folder: Path) -> None:
    _lines(server, folder)
    with server.world.control.store.writing() as transaction:
        deployment = transaction.deployments("churn")[1]
        failed = {"provisioning_state": ProvisioningState.FAILED}
        transaction.replace_deployment(deployment.model_copy(update=failed))
    assert _lines(server, folder)[3:] == [
        "online-deployment/churn/blue: unchanged",
        "online-deployment/churn/green: tried again",
    ]
    assert server.ask("online-deployment", "show", "-n", "green", "-e", "churn")["provisioning_state"] == "Succeeded"


def test_what_goes_on_has_to_end_before_it_is_changed(server: Server, folder: Path) -> None:
    _lines(server, folder)
    with server.world.control.store.writing() as transaction:
        deployment = transaction.deployments("churn")[0]
        updating = {"provisioning_state": ProvisioningState.UPDATING}
        transaction.replace_deployment(deployment.model_copy(update=updating))
    _edit(folder / "2-blue.yml", "'1'", "2")
    later = threading.Timer(0.5, server.world.settle)
    later.start()
    assert "online-deployment/churn/blue: updated" in _lines(server, folder)
    later.join()


def test_outcomes_can_be_had_as_data(server: Server, folder: Path) -> None:
    actions = server.ask("apply", "-f", str(folder), "--query", "[].action", "-o", "json")
    assert actions == ["created"] * 5 + ["updated"]


def test_files_of_no_kind_are_passed_over_and_said(server: Server, folder: Path) -> None:
    told = server.run("apply", "-f", str(folder), "--dry-run").stderr
    assert "conda.yml is passed over" in told
    assert "notes.txt" not in told


def test_nothing_is_begun_with_a_file_that_is_wrong(server: Server, folder: Path) -> None:
    (folder / "6-wrong.yml").write_text("name: red\nendpoint_name: churn\nmodle: x\n")
    assert "did you mean 'model'?" in server.refuse("apply", "-f", str(folder)).message
    assert server.ask("model", "list") == []


def test_a_folder_of_nothing_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "describes nothing" in server.refuse("apply", "-f", str(tmp_path / "empty")).message
    assert "there is no file or folder" in server.refuse("apply", "-f", "there-is-none").message
