"""What a model that nobody trusts can reach: a real burglar, with the sandbox and without; and how every worker is run."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelport.models import predict
from tests.end_to_end.server import MODEL_PYTHON, MODELPORT, Server, command, free_port, started
from tests.support.programs import debian_program
from tests.support.saved import saved_by

ROWS = {"dataframe_split": {"columns": ["x"], "data": [[1]]}}
SECRETS = {
    "TELLER_TOKEN": "asked for",
    "MODELPORT_API_KEY": "the key of the server",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "GIVEN_BY_NAME": "from here",
}


@pytest.fixture(scope="module")
def untrusted() -> Path:
    return saved_by(Path(__file__).with_name("make_untrusted.py"))


@pytest.fixture(scope="module")
def sandbox() -> None:
    program = debian_program("bwrap", "bubblewrap")
    tried = subprocess.run([program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"])
    if tried.returncode != 0:
        pytest.skip("bubblewrap may not make namespaces here")


class House:
    """What there is to be taken: another model, a key file in Modelport's home, a port that listens."""

    def __init__(self, folder: Path, burglar: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.model = folder / "models" / "burglar"
        shutil.copytree(burglar, self.model)
        self.other = folder / "models" / "other" / "MLmodel"
        self.other.parent.mkdir()
        self.other.write_text("flavors: {}")
        self.key = self.home / "key"
        self.home.mkdir()
        self.key.touch(0o600)
        self.key.write_text("secret")
        self.listener = socket.create_server(("127.0.0.1", 0))

    @property
    def doors(self) -> str:
        named = {
            "another model": str(self.other),
            "key": str(self.key),
            "address": self.listener.getsockname(),
            "itself": str(self.model),
            "server": os.getpid(),
        }
        return f"DOORS={json.dumps(named)}"

    @contextlib.contextmanager
    def served(self, *options: str) -> Iterator[Server]:
        port = free_port()
        words = command(self.model, port, "--env", self.doors, *options)
        with started(words, port, self.folder / "server", self.variables(), 60) as server:
            yield server

    def variables(self) -> dict[str, str]:
        return {**os.environ, "MODELPORT_HOME": str(self.home)}


@pytest.fixture
def house(untrusted: Path, tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, untrusted / "burglar")
    yield house
    house.listener.close()


def told(server: Server) -> Any:
    status, answer = server.predict(ROWS)
    assert status == 200, answer
    return json.loads(answer["predictions"][0])


def descendants(pid: int) -> list[int]:
    """From the children to the grandchildren."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found += [int(entry.name), *descendants(int(entry.name))]
    return found


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_burglar_gets_everything_where_there_is_no_sandbox(house: House) -> None:
    with house.served() as server:
        found = told(server)
    assert found["load"] == found["predict"]
    assert set(found["load"].values()) == {"got"}


def test_a_burglar_in_the_sandbox_gets_nothing_and_serves(sandbox: None, house: House) -> None:
    with house.served("--sandbox") as server:
        found = told(server)
        assert server.metric("modelport_worker_memory_bytes") > 20 << 20
    assert found["load"] == found["predict"]
    assert found["load"] == {
        "another model": "FileNotFoundError",
        "key": "FileNotFoundError",
        "connection": "ConnectionRefusedError",
        "change of itself": "OSError",  # a read-only file system
        "server's variables": "FileNotFoundError",
    }


def test_a_worker_that_dies_in_the_sandbox_is_replaced_in_it(sandbox: None, house: House) -> None:
    with house.served("--sandbox") as server:
        worker = descendants(server.process.pid)[-1]
        os.kill(worker, signal.SIGKILL)
        until(lambda: "killed by SIGKILL" in server.log.read_text() and server.ask("/ping")[0] == 200)
        assert f"(pid {worker})" in server.log.read_text()
        assert "got" not in told(server)["predict"].values()


def test_a_server_that_is_killed_leaves_nothing_running(sandbox: None, house: House) -> None:
    with house.served("--sandbox") as server:
        left = descendants(server.process.pid)
        assert len(left) == 3  # bubblewrap, its first process inside, the worker
        server.process.kill()
        server.process.wait()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_files_are_scored_in_the_sandbox_too(sandbox: None, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_HOME", str(house.home))
    output = house.folder / "output.json"
    variables = dict([house.doors.split("=", 1)])
    predict(
        str(house.model),
        json.dumps(ROWS),
        output_path=str(output),
        extra_envs=variables,
        python=str(MODEL_PYTHON),
        sandbox=True,
    )
    found = json.loads(json.loads(output.read_text())["predictions"][0])
    assert "got" not in {**found["load"], **found["predict"]}.values()


def test_an_environment_is_built_for_the_sandbox_and_compiled_for_those_who_come_after(
    sandbox: None, untrusted: Path, tmp_path: Path
) -> None:
    """Its packages are read-only inside, so the check itself cannot leave there what it compiled."""
    words = [MODELPORT, "predict", "-m", untrusted / "teller", "--env-manager", "uv", "--without-mlflow", "--sandbox"]
    variables = {**os.environ, "MODELPORT_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "not in it")}
    done = subprocess.run(words, env=variables, input=json.dumps(ROWS).encode(), capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(json.loads(done.stdout)["predictions"][0])["folder"] == "/tmp"
    compiled = {path.parents[1].name for path in tmp_path.glob("envs/*/lib/python*/site-packages/**/*.pyc")}
    assert {"numpy", "pandas", "cloudpickle"} <= compiled


def test_without_bubblewrap_nothing_is_served_in_a_sandbox(house: House) -> None:
    words = [*command(house.model, free_port()), "--sandbox"]
    variables = {**house.variables(), "PATH": "/nowhere"}
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "bubblewrap" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.divergence("worker-variables", "worker-folder")
@pytest.mark.parametrize("shut_in", [False, True], ids=["as it is", "in the sandbox"])
def test_a_worker_has_named_variables_a_folder_of_its_own_and_no_way_to_more_rights(
    untrusted: Path, tmp_path: Path, shut_in: bool, request: pytest.FixtureRequest
) -> None:
    if shut_in:
        request.getfixturevalue("sandbox")
    port = free_port()
    words = command(untrusted / "teller", port, "--env", "GIVEN=a=b", "--env", "GIVEN_BY_NAME")
    words += ["--sandbox"] if shut_in else []
    variables = {**os.environ, **SECRETS, "MODELPORT_HOME": str(tmp_path / "home")}
    with started(words, port, tmp_path / "server", variables, 60) as server:
        status, answer, _ = server.ask(
            "/invocations",
            json.dumps(ROWS).encode(),
            content_type="application/json",
            authorization=f"Bearer {SECRETS['MODELPORT_API_KEY']}",
        )
        assert status == 200, answer
        facts = json.loads(answer["predictions"][0])
        log = server.log.read_text()
    theirs = facts["variables"]
    assert {name: theirs.get(name) for name in (*SECRETS, "GIVEN", "TELLER_MODE", "TELLER_UNSET")} == {
        "TELLER_TOKEN": "asked for",
        "TELLER_MODE": "quiet",
        "TELLER_UNSET": None,
        "MODELPORT_API_KEY": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "GIVEN": "a=b",
        "GIVEN_BY_NAME": "from here",
    }
    assert not [name for name in theirs if name.startswith("MODELPORT_")]
    assert log.count("names environment variables that it does not get: MODELPORT_API_KEY (Modelport's own") == 1
    assert "TELLER_UNSET (not set)" in log
    assert (facts["no new privileges"], facts["oom score"]) == ("1", "500")
    assert facts["folder"] not in (os.getcwd(), str(Path.home()))
    if shut_in:
        assert (facts["folder"], theirs["HOME"], int(facts["capabilities"], 16)) == ("/tmp", "/tmp", 0)
    else:
        assert theirs["HOME"] == str(Path.home())
        assert not Path(facts["folder"]).exists()


@pytest.mark.parametrize("what", ["serve", "predict"])
def test_a_model_that_is_not_allowed_is_refused_with_its_reasons(untrusted: Path, tmp_path: Path, what: str) -> None:
    model = untrusted / "teller"
    words = command(model, free_port()) if what == "serve" else [str(MODELPORT), what, "-m", str(model)]
    variables = {**os.environ, "MODELPORT_HOME": str(tmp_path)}
    done = subprocess.run(
        [*words, "--allow", "pickle"], env=variables, input="", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "MODEL_NOT_ALLOWED" in done.stderr
    assert "python_model.pkl" in done.stderr
    assert not list(tmp_path.iterdir())
