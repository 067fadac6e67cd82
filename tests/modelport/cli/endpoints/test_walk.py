"""The commands as az's scripts have them, one after the other, against a real control plane."""

from pathlib import Path
from typing import Any

import pytest

from tests.modelport.cli.endpoints.conftest import Server

BLUE = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: other
model: azureml:churn:1
instance_type: Standard_DS3_v2
instance_count: 1
"""


@pytest.fixture
def deployed(server: Server, model: Path, tmp_path: Path) -> Server:
    """A model and an endpoint ``churn``, under which ``blue`` has all of the traffic."""
    (tmp_path / "blue.yml").write_text(BLUE)
    server.ask("model", "create", "-n", "churn", "-p", str(model), "-t", "mlflow_model", "-g", "group", "-w", "space")
    server.ask("online-endpoint", "create", "--name", "churn")
    server.ask("online-deployment", "create", "-f", str(tmp_path / "blue.yml"), "--endpoint", "churn")
    server.ask("online-endpoint", "update", "-n", "churn", "--traffic", "blue=100")
    return server


def test_a_model_is_registered_shown_changed_archived_and_downloaded(
    server: Server, model: Path, tmp_path: Path
) -> None:
    made = server.ask(
        "model", "create", "-n", "churn", "-p", str(model), "--type", "mlflow_model", "--tags", "team=risk", "year=2026"
    )
    assert (made["name"], made["version"], made["tags"]) == ("churn", "1", {"team": "risk", "year": "2026"})
    assert made["path"].endswith("/rent")
    again = server.ask("model", "create", "-n", "churn", "-p", str(model), "-v", "2", "--set", "description=second")
    assert (again["version"], again["description"]) == ("2", "second")
    assert server.ask("model", "show", "-n", "churn", "-l", "latest")["version"] == "2"
    assert [each["version"] for each in server.ask("model", "list", "-n", "churn")] == ["2", "1"]
    assert len(server.ask("model", "list", "--max-results", "1")) == 1
    changed = server.ask(
        "model",
        "update",
        "-n",
        "churn",
        "-v",
        "1",
        "--set",
        "stage=Production",
        "tags.team=pricing",
        "--remove",
        "tags.year",
    )
    assert (changed["stage"], changed["tags"]) == ("Production", {"team": "pricing"})
    server.ask("model", "archive", "-n", "churn", "-v", "1")
    assert [each["version"] for each in server.ask("model", "list")] == ["2"]
    assert [each["version"] for each in server.ask("model", "list", "--archived-only")] == ["1"]
    assert len(server.ask("model", "list", "--include-archived")) == 2
    server.ask("model", "restore", "-n", "churn")
    assert len(server.ask("model", "list")) == 2
    server.ask("model", "download", "-n", "churn", "-v", "1", "--download-path", str(tmp_path / "out"))
    out = tmp_path / "out" / "churn" / "rent"
    assert (out / "data" / "weights.bin").read_bytes() == (model / "data" / "weights.bin").read_bytes()
    said = server.refuse("model", "download", "-n", "churn", "-v", "1", "-p", str(tmp_path / "out"))
    assert "has something in it already" in said.message


def test_what_never_changes_of_a_model_is_refused(deployed: Server) -> None:
    assert "never changes" in deployed.refuse("model", "update", "-n", "churn", "--set", "type=custom_model").message


def test_an_environment_is_registered_beside_those_that_are_built(server: Server, tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, pip, {pip: [scikit-learn]}]\n")
    made = server.ask("environment", "create", "-n", "scoring", "--conda-file", str(tmp_path / "conda.yml"), "-v", "1")
    assert made["conda_file"]["dependencies"][0] == "python=3.11"
    assert server.ask("environment", "show", "--name", "scoring")["version"] == "1"
    assert [each["name"] for each in server.ask("environment", "list", "--registered")] == ["scoring"]
    assert [each["name"] for each in server.ask("environment", "list", "-n", "scoring")] == ["scoring"]
    server.ask("environment", "archive", "-n", "scoring", "-v", "1")
    assert server.ask("environment", "list", "--registered") == []
    server.ask("environment", "restore", "-n", "scoring", "-v", "1")
    assert server.ask("environment", "list", "-n", "scoring") != []


def test_built_environments_need_no_server(tmp_path: Path) -> None:
    server = Server.__new__(Server)
    server.variables = {"MODELPORT_HOME": str(tmp_path), "MODELPORT_URL": "http://127.0.0.1:9"}
    assert server.run("environment", "list").output == f"there are no environments under {tmp_path / 'envs'}\n"
    assert server.ask("environment", "list", "-o", "json") == []


def test_a_flag_and_set_win_over_the_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "endpoint.yml").write_text("name: in-file\nauth_mode: key\ndescription: of the file\n")
    made = server.ask(
        *("online-endpoint", "create", "-f", str(tmp_path / "endpoint.yml"), "-n", "Churn"),
        *("--auth-mode", "AMLToken", "--set", "tags.team=risk", "description", "of set"),
    )
    assert (made["name"], made["auth_mode"], made["description"]) == ("churn", "aml_token", "of set")
    assert made["tags"] == {"team": "risk"}
    assert made["provisioning_state"] == "Succeeded"


def test_traffic_moves_from_one_to_the_other(deployed: Server, tmp_path: Path) -> None:
    created = deployed.ask(
        "online-deployment", "create", "-f", str(tmp_path / "blue.yml"), "-n", "green", "-e", "churn"
    )
    assert (created["name"], created["provisioning_state"]) == ("green", "Succeeded")
    mirrored = deployed.ask("online-endpoint", "update", "--name", "churn", "--mirror-traffic", "green=10")
    assert mirrored["mirror_traffic"] == {"green": 10}
    both = deployed.ask(
        "online-endpoint", "update", "-n", "churn", "--mirror-traffic", "green=0", "--traffic", "blue=90 green=10"
    )
    assert (both["traffic"], both["mirror_traffic"]) == ({"blue": 90, "green": 10}, {})
    unquoted = deployed.ask("online-endpoint", "update", "-n", "churn", "--traffic", "blue=0", "green=100")
    assert unquoted["traffic"] == {"green": 100}
    deployed.ask("online-deployment", "delete", "-n", "blue", "--endpoint", "churn", "--yes", "--no-wait")
    assert [each["name"] for each in deployed.ask("online-deployment", "list", "-e", "churn")] == ["green"]


def test_a_share_can_be_set_and_removed_by_its_path(deployed: Server, tmp_path: Path) -> None:
    deployed.ask("online-deployment", "create", "-f", str(tmp_path / "blue.yml"), "-n", "green", "-e", "churn")
    changed = deployed.ask("online-endpoint", "update", "-n", "churn", "--set", "traffic.blue=70", "traffic.green=30")
    assert changed["traffic"] == {"blue": 70, "green": 30}
    changed = deployed.ask(
        "online-endpoint", "update", "-n", "churn", "--set", "traffic.green=100", "--remove", "traffic.blue"
    )
    assert changed["traffic"] == {"green": 100}


def test_shares_that_do_not_add_up_are_refused(deployed: Server) -> None:
    assert (
        "add up to 100" in deployed.refuse("online-endpoint", "update", "-n", "churn", "--traffic", "blue=90").message
    )
    result = deployed.run("online-endpoint", "update", "-n", "churn", "--traffic", "blue=many")
    assert result.exit_code == 2
    assert "'many' is no whole number of percent" in result.output


def test_an_update_says_only_what_differs(deployed: Server, tmp_path: Path) -> None:
    changed = deployed.ask(
        *("online-deployment", "update", "-n", "blue", "-e", "churn"),
        *("--set", "instance_count=2", "request_settings.request_timeout_ms=3000"),
        *("--set", "tags.version=1.10", "--force-string"),
    )
    assert (changed["instance_count"], changed["request_settings"]["request_timeout_ms"]) == (2, 3000)
    assert changed["tags"] == {"version": "1.10"}
    (tmp_path / "change.yml").write_text("name: blue\nendpoint_name: churn\ndescription: better\n")
    changed = deployed.ask("online-deployment", "update", "--file", str(tmp_path / "change.yml"))
    assert (changed["description"], changed["instance_count"]) == ("better", 2)
    last = deployed.world.local_plane_of(deployed.variables["MODELPORT_KEY"]).list_audit(1)[0]
    assert last.operation == "update_online_deployment"
    assert list(last.details.get("keys", last.details)) == ["description"]
    deployed.ask("online-deployment", "update", "--file", str(tmp_path / "change.yml"))
    assert deployed.world.local_plane_of(deployed.variables["MODELPORT_KEY"]).list_audit(1)[0] == last


def test_an_update_has_to_say_of_what(deployed: Server) -> None:
    result = deployed.run("online-deployment", "update", "-n", "blue", "--set", "instance_count=2")
    assert result.exit_code == 2
    assert "give --endpoint-name, or a file that has endpoint_name" in " ".join(result.output.split())


def test_credentials_are_shown_and_made_anew(deployed: Server) -> None:
    before = deployed.ask("online-endpoint", "get-credentials", "-n", "churn")
    key = deployed.run("online-endpoint", "get-credentials", "-n", "churn", "--query", "primaryKey", "-o", "tsv").stdout
    assert key == before["primaryKey"] + "\n"
    after = deployed.ask("online-endpoint", "regenerate-keys", "-n", "churn", "--key-type", "secondary")
    assert after["primaryKey"] == before["primaryKey"]
    assert after["secondaryKey"] != before["secondaryKey"]
    assert deployed.run("online-endpoint", "regenerate-keys", "-n", "churn", "--key-type", "third").exit_code == 2


def test_a_deployment_that_exists_is_refused(deployed: Server, tmp_path: Path) -> None:
    said = deployed.refuse("online-deployment", "create", "-f", str(tmp_path / "blue.yml"), "-e", "churn")
    assert said.code == "RESOURCE_CONFLICT"


def test_all_traffic_is_not_promised_without_waiting(server: Server, tmp_path: Path) -> None:
    result = server.run("online-deployment", "create", "-f", "x.yml", "--all-traffic", "--no-wait")
    assert result.exit_code == 2
    assert "not with --no-wait" in result.output


def test_nothing_is_deleted_without_a_yes(deployed: Server) -> None:
    said = deployed.refuse("online-endpoint", "delete", "-n", "churn")
    assert said.hint == "--yes does it without asking."
    deployed.ask("online-endpoint", "delete", "-n", "churn", "-y")
    assert deployed.refuse("online-endpoint", "show", "-n", "churn").code == "RESOURCE_DOES_NOT_EXIST"


def test_what_failed_is_said_in_one_block(failing_server: Server, model: Path, tmp_path: Path) -> None:
    (tmp_path / "blue.yml").write_text(BLUE)
    failing_server.ask("model", "create", "-n", "churn", "-p", str(model), "-t", "mlflow_model")
    failing_server.ask("online-endpoint", "create", "-n", "churn")
    said = failing_server.refuse("online-deployment", "create", "-f", str(tmp_path / "blue.yml"), "-e", "churn")
    assert said.message == "deployment 'blue' is Failed: there is no scikit-learn 9.9"
    assert said.code == "ENVIRONMENT_NO_VERSION"
    hints = str(said.hint).splitlines()
    assert hints[0] == "Ask for 1.9."
    assert "modelport online-deployment get-logs -n blue -e churn" in hints[1]


def test_what_means_nothing_here_is_said(deployed: Server, tmp_path: Path) -> None:
    words = ("online-deployment", "create", "-f", str(tmp_path / "blue.yml"), "-n", "green", "-e", "churn")
    flags = ("--local", "--web", "--skip-script-validation")
    told = deployed.run(*words, *flags).stderr
    assert [flag for flag in flags if flag in told] == list(flags[:2])
    assert deployed.run("online-endpoint", "show", "-n", "churn", "--local", "--only-show-errors").stderr == ""


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("green", ["environment=azureml:other:1"], "names an environment, and --with-package makes one"),
        ("green", ["model=null"], "has no model to package"),
        ("green", ["model=azureml:plain:1"], "model plain:1 is a custom_model: packages are made of MLflow models"),
        ("green", ["code_configuration.code=.", "code_configuration.scoring_script=score.py"], "has a script"),
        ("green", ["endpoint_name=elsewhere"], "elsewhere"),
        ("blue", [], "there is a deployment 'blue'"),
    ],
)
def test_what_cannot_be_packaged_is_refused_before_the_long_work(
    deployed: Server, model: Path, tmp_path: Path, name: str, settings: list[str], why: str
) -> None:
    deployed.ask("model", "create", "-n", "plain", "-p", str(model))
    file = str(tmp_path / "blue.yml")
    words = ["online-deployment", "create", "-f", file, "-n", name, "-e", "churn", "--with-package"]
    said = deployed.refuse(*words, *(word for setting in settings for word in ("--set", setting)))
    assert why in said.message


def test_a_log_is_printed_as_it_is(deployed: Server) -> None:
    deployment = deployed.ask("online-deployment", "show", "-n", "blue", "-e", "churn")
    folder = f"logs/churn/blue-{deployment['id'][:8]}"
    log = deployed.world.control.settings.home / folder / "storage-initializer.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    words = ("online-deployment", "get-logs", "-n", "blue", "-e", "churn", "-l", "2")
    assert deployed.run(*words, "-c", "storage-initializer").stdout == "two\nthree\n"
    assert deployed.run(*words, "-c", "other").exit_code == 2


def test_a_user_gets_a_key_for_what_was_granted(server: Server) -> None:
    server.ask("online-endpoint", "create", "-n", "churn")
    made = server.ask("user", "create", "-n", "ana", "--grant", "read:churn", "invoke:churn")
    assert made["grants"] == [{"scope": "read", "endpoint": "churn"}, {"scope": "invoke", "endpoint": "churn"}]
    server.variables["MODELPORT_KEY"], admin = made["key"], server.variables["MODELPORT_KEY"]
    assert server.ask("online-endpoint", "show", "-n", "churn")["name"] == "churn"
    assert server.refuse("online-endpoint", "delete", "-n", "churn", "-y").code == "PERMISSION_DENIED"
    server.variables["MODELPORT_KEY"] = admin
    assert [each["name"] for each in server.ask("user", "list")] == ["ana"]
    server.ask("user", "delete", "-n", "ana", "-y")
    assert server.ask("user", "list") == []


def test_the_doctor_asks_the_server(server: Server) -> None:
    assert server.ask("doctor") == {"version": "0", "checks": []}


def test_a_request_goes_to_the_endpoint_as_it_is(scored: tuple[Server, list[Any]], tmp_path: Path) -> None:
    server, asked = scored
    key = server.ask("online-endpoint", "create", "-n", "churn") and server.ask(
        "online-endpoint", "get-credentials", "-n", "churn", "--query", "primaryKey"
    )
    (tmp_path / "request.json").write_bytes(b'{"a": 1}\n')
    words = ("online-endpoint", "invoke", "-n", "churn", "--request-file")
    answer = server.run(*words, str(tmp_path / "request.json"), "-d", "green").stdout_bytes
    assert answer == '[1.5, "café"]\n'.encode()
    assert server.run(*words, "-", input=b"{}").stdout_bytes == answer
    path = "/endpoints/churn/score"
    assert asked == [(path, f"Bearer {key}", "green", b'{"a": 1}\n'), (path, f"Bearer {key}", None, b"{}")]
    assert server.run(*words, "there-is-none.json").exit_code == 2
