"""`modelport validate`: what would fail or surprise where a model is served is found by serving it."""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelport import models
from tests.end_to_end.server import MODELPORT, environment
from tests.modelport.environments.tiny import LOADER, MLMODEL, PINS, SIX, tiny_model

WITHIN = 200.0
Change = Callable[[Path], object]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """It asks for what the interpreter of the tests has."""
    model = tiny_model(tmp_path / "model", requirements=("numpy", "pandas"))
    rewrite("code/tiny_loader.py", "import six\n", "")(model)
    rewrite("code/tiny_loader.py", "    assert six.PY3\n", "")(model)
    return model


def validate(model: Path, *options: str | Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, report, standard error."""
    command = [MODELPORT, "validate", model, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=WITHIN)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def of(report: dict[str, Any], status: str) -> dict[str, str]:
    return {finding["about"]: finding["says"] for finding in report["findings"] if finding["status"] == status}


def rewrite(name: str, old: str, new: str) -> Change:
    def change(model: Path) -> None:
        text = (model / name).read_text()
        assert old in text
        (model / name).write_text(text.replace(old, new))

    return change


def test_a_model_that_is_well_passes(model: Path) -> None:
    code, report, _ = validate(model)
    assert (code, report["failed"], of(report, "failed")) == (0, False, {})
    assert list(of(report, "ok")) == ["environment", "files", "signature", "serving", "answer", "outputs"]
    assert of(report, "note")["recorded"].startswith("no answer is recorded in expected_output.json")
    assert of(report, "note")["code"] == "code path: code comes first on sys.path: 1 Python files can be imported " + (
        "from it, whatever they are named"
    )


class Harmful:
    def __reduce__(self) -> object:
        return os.system, ("true",)


LOADS, PREDICTS = "def _load_pyfunc(path):\n", "        return (data"
FAILING: dict[str, tuple[Change, str, str]] = {
    "a file is missing": (
        lambda model: (model / "factor.json").unlink(),
        "files",
        "the MLmodel file names what is not there: factor.json",
    ),
    "it cannot be loaded": (
        rewrite("code/tiny_loader.py", LOADS, f"{LOADS}    raise OSError('no licence')\n"),
        "serving",
        "no licence",
    ),
    "it ends its process": (
        rewrite("code/tiny_loader.py", LOADS, f"{LOADS}    import os\n    os._exit(7)\n"),
        "serving",
        "exit code 7",
    ),
    "it cannot predict": (
        rewrite("code/tiny_loader.py", PREDICTS, f"        raise ValueError('no such city')\n{PREDICTS}"),
        "answer",
        "no such city",
    ),
    "its example does not fit its signature": (
        rewrite("serving_input_example.json", '"x"', '"z"'),
        "answer",
        "its own example is answered with 400",
    ),
    "its example is no JSON": (
        lambda model: (model / "serving_input_example.json").write_text("{"),
        "example",
        "it cannot be read",
    ),
    "it answers what it has not answered before": (
        lambda model: (model / "expected_output.json").write_text('{"predictions": [{"y": 3.0}, {"y": 4.1}]}'),
        "recorded",
        "the answer is another than the one recorded",
    ),
    "its MLmodel file is damaged": (
        lambda model: (model / "MLmodel").write_text("flavors: ["),
        "files",
        "is no valid YAML",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_would_fail_where_it_is_served_fails(model: Path, name: str) -> None:
    change, about, says = FAILING[name]
    change(model)
    code, report, log = validate(model)
    assert (code, report["failed"]) == (1, True), log
    (finding,) = [finding for finding in report["findings"] if finding["about"] == about]
    assert finding["status"] == "failed"
    assert says in "\n".join([finding["says"], *finding["details"]])


def test_a_model_that_is_never_loaded_fails_when_its_time_is_over(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    sleeping = f"    import os, time\n    open({str(pid)!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    rewrite("code/tiny_loader.py", LOADS, f"{LOADS}{sleeping}")(model)
    monkeypatch.setenv("MODELPORT_BUILD_TIMEOUT", "8")
    code, report, log = validate(model)
    assert code == 1, log
    assert of(report, "failed")["serving"] == "the model was not loaded after 8 s"
    assert not Path(f"/proc/{pid.read_text()}").exists()


WARNED: dict[str, tuple[Change, str, str]] = {
    "it answers what it does not declare": (
        rewrite("code/tiny_loader.py", '"y"', '"z"'),
        "outputs",
        "the answer is not what the signature declares",
    ),
    "it has no example": (
        rewrite("MLmodel", MLMODEL[MLMODEL.index("saved_input") : MLMODEL.index("signature:")], ""),
        "example",
        "the model has none: a made-up request is sent",
    ),
    "it has no signature": (
        rewrite("MLmodel", MLMODEL[MLMODEL.index("signature:") :], ""),
        "signature",
        "there is none",
    ),
    "a pickle names what no model needs": (
        lambda model: (model / "extra.pkl").write_bytes(pickle.dumps(Harmful())),
        "code",
        "pickle: extra.pkl is a pickle: loading it can run any code (it names posix.system)",
    ),
    "a variable is not set": (
        lambda model: (model / "environment_variables.txt").write_text("# of the author\nTINY_KEY\n"),
        "variables",
        "the model asks for variables that are not set: TINY_KEY",
    ),
    "another version is installed": (
        rewrite("requirements.txt", "numpy", "numpy==1.21"),
        "packages",
        "numpy==1.21 is asked for, and ",
    ),
    "it was made with another Python": (
        rewrite("MLmodel", "python_version: 3.11", "python_version: 3.9.1"),
        "python",
        "the model was made with Python 3.9.1, and runs with 3.11.",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_may_surprise_is_a_warning_and_fails_only_where_that_is_wanted(model: Path, name: str) -> None:
    change, about, says = WARNED[name]
    change(model)
    code, report, log = validate(model, *(["--strict"] if name == "it has no signature" else []))
    assert says in of(report, "warning")[about], log
    assert of(report, "failed") == {}
    assert code == (1 if name == "it has no signature" else 0)


def test_what_the_server_answers_can_be_recorded_and_is_held_against_later(model: Path) -> None:
    recorded, example = model / "expected_output.json", model / "serving_input_example.json"
    command = [MODELPORT, "predict", "-m", model, "-i", example, "-o", recorded]
    subprocess.run(command, check=True, capture_output=True, env=environment(), timeout=WITHIN)
    assert of(validate(model)[1], "ok")["recorded"] == "the answer is the one recorded"
    (model / "factor.json").write_text('{"factor": 3.0}')
    code, report, _ = validate(model)
    (finding,) = [finding for finding in report["findings"] if finding["about"] == "recorded"]
    assert (code, finding["status"]) == (1, "failed")
    assert finding["details"][0] == "the answer.predictions[0].y is 4.5, and was 3.0"
    other = model.parent / "other.json"
    other.write_text('[{"y": 4.5}, {"y": 6.0}]')
    assert of(validate(model, "--expect", other)[1], "ok")["recorded"] == "the answer is the one recorded"


def test_a_variable_that_is_given_reaches_the_model(model: Path) -> None:
    (model / "environment_variables.txt").write_text("TINY_KEY\n")
    rewrite("code/tiny_loader.py", LOADS, f"{LOADS}    import os\n    assert os.environ['TINY_KEY'] == 'of test'\n")(
        model
    )
    assert validate(model)[0] == 1
    code, report, _ = validate(model, "--env", "TINY_KEY=of test")
    assert (code, of(report, "ok")["variables"]) == (0, "all that the model asks for are set: TINY_KEY")


def test_people_get_a_line_for_each_finding(model: Path) -> None:
    (model / "requirements.txt").write_text("numpy==1.21")
    command = [MODELPORT, "validate", model]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=WITHIN)
    lines = done.stdout.splitlines()
    assert "! packages     numpy==1.21 is asked for, and 2.4.6 is installed" in lines
    assert "✓ outputs      the answer is what the signature declares" in lines
    assert lines[-1].startswith(f"{model}: 1 to be warned of (")


def test_what_is_expected_and_cannot_be_read_is_the_users_mistake(model: Path) -> None:
    done = subprocess.run(
        [MODELPORT, "validate", model, "--expect", "nowhere.json"], capture_output=True, text=True, env=environment()
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: the expected answer in nowhere.json cannot be read" in done.stderr


def test_programs_get_the_report_as_values(model: Path) -> None:
    report = models.validate(str(model), env_manager="local")
    assert not report.failed
    assert {finding.about for finding in report.findings} >= {"serving", "answer", "outputs"}


def test_a_model_is_validated_in_the_environment_it_asks_for(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", requirements=(*PINS, SIX.replace("1.17", "1.16")))
    rewrite(
        "code/tiny_loader.py",
        LOADER[: LOADER.index("class")],
        "import json\nimport six\nassert six.__version__ == '1.16.0'\n",
    )(model)
    variables = {**os.environ, "MODELPORT_HOME": str(tmp_path / "home")}
    command = [MODELPORT, "validate", model, "--json", "--env-manager", "uv"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=WITHIN)
    report = json.loads(done.stdout)
    assert (done.returncode, of(report, "failed"), of(report, "warning")) == (0, {}, {})
    assert report["python"].startswith(str(tmp_path / "home" / "envs"))


def test_an_environment_that_cannot_be_had_is_a_finding_with_its_cause(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", requirements=("numpy==999.0",))
    variables = {**os.environ, "MODELPORT_HOME": str(tmp_path / "home")}
    command = [MODELPORT, "validate", model, "--json", "--env-manager", "uv"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=WITHIN)
    report = json.loads(done.stdout)
    (finding,) = [finding for finding in report["findings"] if finding["status"] == "failed"]
    assert (done.returncode, finding["about"], report["python"]) == (1, "environment", None)
    assert "numpy" in finding["says"] and finding["code"].startswith("ENVIRONMENT_")


def test_its_server_does_not_outlive_it(model: Path) -> None:
    rewrite("code/tiny_loader.py", LOADS, f"{LOADS}    import time\n    time.sleep(100)\n")(model)
    process = subprocess.Popen([MODELPORT, "validate", model], env=environment(), stderr=subprocess.DEVNULL)
    until = time.monotonic() + WITHIN
    while not (servers := children(process.pid)) or not (workers := children(servers[0])):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    while any(map(is_running, [*servers, *workers])):
        assert time.monotonic() < until
        time.sleep(0.1)


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                    found.append(int(entry.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
