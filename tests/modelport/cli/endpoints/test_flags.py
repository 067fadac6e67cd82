"""Every verb and flag that az's scripts have is there, and the command line starts without what only commands need."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from modelport import cli

GLOBAL = "-o --output --query --only-show-errors --debug -g --resource-group -w --workspace-name"
VERBS = {
    "model create": "-f --file -n --name -v --version -p --path -t --type --tags --description --set",
    "model show": "-n --name -v --version -l --label",
    "model list": "-n --name --max-results --include-archived --archived-only",
    "model archive": "-n -v -l",
    "model restore": "-n -v -l",
    "model download": "-n -v -l -p --download-path",
    "model package": "-n -v -f --file -l --set",
    "model update": "-n -v -l --set --add --remove --force-string",
    "environment create": "-f -n -v --image --conda-file --build-context --tags --description --set",
    "environment show": "-n -v -l",
    "environment list": "-n --max-results --include-archived --archived-only --registered",
    "environment archive": "-n -v -l",
    "environment restore": "-n -v -l",
    "online-endpoint create": "-n -f --auth-mode --set --no-wait --local --web",
    "online-endpoint update": "-n -f --traffic --mirror-traffic --set --add --remove --force-string --no-wait --local",
    "online-endpoint show": "-n --local",
    "online-endpoint list": "--local",
    "online-endpoint delete": "-n -y --yes --no-wait --local",
    "online-endpoint invoke": "-n -r --request-file -d --deployment-name --local",
    "online-endpoint get-credentials": "-n",
    "online-endpoint regenerate-keys": "-n --key-type --no-wait",
    "online-endpoint get-history": "-n --since",
    "audit list": "--since -r --max-results",
    "online-deployment create": "-f -n -e --endpoint-name --all-traffic --with-package --set --no-wait --local "
    "--skip-script-validation --web",
    "online-deployment update": "-n -e -f --set --add --remove --force-string --no-wait --local --skip-script-validation --web",
    "online-deployment show": "-n -e --local",
    "online-deployment list": "-e --local",
    "online-deployment delete": "-n -e -y --yes --no-wait --local",
    "online-deployment get-logs": "-n -e -l --lines -c --container --local --follow",
    "user create": "-n --grant",
    "user list": "",
    "user delete": "-n -y",
    "apply": "-f --file --dry-run",
    "doctor": "",
    "schema": "",
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_the_flags_of_azs_scripts(verb: str) -> None:
    result = CliRunner().invoke(cli.app, [*verb.split(), "--help"], terminal_width=200)
    assert result.exit_code == 0
    words = set(result.output.replace(",", " ").split())
    assert not [flag for flag in (VERBS[verb] + " " + GLOBAL).split() if flag not in words]


def test_help_imports_nothing_that_only_commands_need() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from modelport import cli;"
        "CliRunner().invoke(cli.app, ['online-endpoint', '--help']);"
        "print([name for name in ('pydantic', 'urllib3', 'yaml', 'jmespath', 'modelport.client') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "--port"),
        (["--ssl-certfile", "a.pem"], "--ssl-certfile and --ssl-keyfile belong together"),
        (["--scoring-processes", "0"], "--scoring-processes"),
    ],
)
def test_flags_of_up_that_make_no_sense_are_a_usage_error(words: list[str], said: str) -> None:
    result = CliRunner().invoke(cli.app, ["up", *words], terminal_width=200)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize("words", [["-o", "xml"], ["--query", "["], ["--o", "json"]])
def test_what_cannot_be_printed_is_refused_before_anything_is_done(words: list[str]) -> None:
    nowhere = {"MODELPORT_URL": "http://127.0.0.1:9", "MODELPORT_KEY": "k"}
    assert CliRunner().invoke(cli.app, ["online-endpoint", "list", *words], env=nowhere).exit_code == 2
