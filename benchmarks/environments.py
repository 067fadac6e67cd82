"""Building a model's environment beside plain uv and `mlflow models prepare-env`: `python -m benchmarks.environments`.

The model is scikit-learn 1.5.2 with unpinned numpy and pandas. Cold means: every cache empty, everything downloaded, from an
index on loopback over a line of a given speed, and over one without a limit. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.package_index import PackageIndex, downloaded
from benchmarks.run import cpu_model
from benchmarks.sections import RESULTS, write_section
from benchmarks.servers import MODEL_PYTHON, ROOT, free_port
from modelport.environments.interpreters import Interpreter, installed

MODELPORT = Path(sys.executable).with_name("modelport")
MINOR = "3.11"
OWN = Interpreter(sys.executable, platform.python_version(), "runs modelport")
"""Only pyenv's are known to MLflow's virtualenv, so one of these is taken where there is one."""
UV = Path(sys.executable).with_name("uv")
REQUIREMENTS = ("scikit-learn==1.5.2", "numpy", "pandas")
ALSO_INSTALLED = ("cloudpickle", "setuptools<81", "pip", "wheel")
"""What the one or the other of those that build environments adds."""
MBIT, LATENCY = 200, 0.02
"""Of the line: megabits a second for all connections, seconds before each answer."""
MLFLOW_UV, MLFLOW_VIRTUALENV = "mlflow models prepare-env (uv)", "mlflow models prepare-env (virtualenv)"
MOST = {MLFLOW_UV: 3, MLFLOW_VIRTUALENV: 1}
"""Rounds: ten seconds and three quarters of a minute each."""
TRAIN = """
import pickle, sys, sklearn.datasets, sklearn.linear_model
x, y = sklearn.datasets.load_diabetes(return_X_y=True)
pickle.dump(sklearn.linear_model.LinearRegression().fit(x, y), open(sys.argv[1], "wb"))
"""
LOAD = """
import pickle, sys, pandas
model = pickle.load(open(sys.argv[1], "rb"))
print(model.predict(pandas.DataFrame([[0.0] * 10]).to_numpy())[0])
"""
FIND = """
import sys, time
from pathlib import Path
from modelport.environments.preparing import worker_spec_of
from modelport.model import mlmodel
from modelport.settings import EnvironmentSettings, modelport_home
folder = Path(sys.argv[1])
content = mlmodel.read(folder)
def found(python):
    print(time.perf_counter() - began)
    raise SystemExit
began = time.perf_counter()
worker_spec_of(folder, content, EnvironmentSettings(), modelport_home(), found)
"""
MLMODEL = """flavors:
  python_function:
    env: {{conda: conda.yaml, virtualenv: python_env.yaml}}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: {python}
  sklearn: {{code: null, pickled_model: model.pkl, serialization_format: pickle, sklearn_version: 1.5.2}}
mlflow_version: 2.17.2
model_uuid: {uuid}
utc_time_created: '{day} 12:00:00.000000'
"""


class Build(NamedTuple):
    """Seconds; ``check`` is loading the model and scoring its example, which is not part of ``wall``; ``stages`` is what the
    command says that resolving, creating and installing took."""

    wall: float
    check: float | None = None
    stages: float | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--cold-rounds", type=int, default=7, help="for each of the two lines")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ["UV_SYSTEM_CERTS"] = "1"
    # The Makefile compiles its own environments. pip's configuration would be read by us alone. Bytecode is what warm means.
    for name in ("MODELPORT_ENV_MANAGER", "UV_COMPILE_BYTECODE", "PIP_FIND_LINKS", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    os.environ["PIP_CONFIG_FILE"] = os.devnull
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as scratch:
        bench = Bench(Path(scratch))
        builds = {
            f"cold, {MBIT} Mbit/s": bench.cold(options.cold_rounds, MBIT * 125_000, LATENCY),
            "cold, no limit": bench.cold(options.cold_rounds, math.inf, 0.0),
            "warm": bench.warm(options.rounds),
        }
        text = report(
            builds,
            bench.loads(options.rounds),
            bench.found(options.rounds),
            bench.disk(),
            bench.ready(options.rounds),
        )
    print(text)
    write_section("environments", text, options.out)
    return 0


class Bench:
    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.model = scratch / "model"
        self.venv = scratch / "plain"
        self.interpreter = next(
            (found for found in installed() if found.found_by == "pyenv" and found.minor == MINOR), OWN
        )
        self.ways: dict[str, Callable[[dict[str, str]], Build]] = {
            "uv venv + uv pip install": self.plain,
            "modelport prepare-env": self.ours,
            MLFLOW_UV: lambda environment: self.mlflow(environment, "uv"),
            MLFLOW_VIRTUALENV: lambda environment: self.mlflow(environment, "virtualenv"),
        }
        self.wheels = scratch / "wheels"
        downloaded(self.wheels, (*REQUIREMENTS, *ALSO_INSTALLED), self.interpreter.path)
        downloaded(self.wheels, ("setuptools",), self.interpreter.path)
        self.plain(dict(os.environ))
        pickle = scratch / "model.pkl"
        subprocess.run([self.venv / "bin/python", "-c", TRAIN, pickle], check=True)
        self.model_at(self.model, REQUIREMENTS)

    def model_at(self, folder: Path, requirements: tuple[str, ...]) -> Path:
        folder.mkdir()
        python = self.interpreter.version
        day = time.strftime("%Y-%m-%d", time.gmtime())
        (folder / "MLmodel").write_text(MLMODEL.format(python=python, day=day, uuid=folder.name))
        (folder / "requirements.txt").write_text("\n".join(requirements))
        (folder / "python_env.yaml").write_text(
            f"python: {python}\nbuild_dependencies: [pip, setuptools, wheel]\ndependencies: ['-r requirements.txt']\n"
        )
        shutil.copyfile(self.scratch / "model.pkl", folder / "model.pkl")
        return folder

    # -- building ------------------------------------------------------------------------------------------------------

    def cold(self, rounds: int, bytes_per_second: float, latency: float) -> dict[str, list[Build]]:
        """Way → its builds, each with caches of its own."""
        with PackageIndex(self.wheels, bytes_per_second, latency) as index:
            here = {**os.environ, "UV_DEFAULT_INDEX": index.url, "PIP_INDEX_URL": index.url}
            return self._builds("cold", rounds, here, fresh_caches=True)

    def warm(self, rounds: int) -> dict[str, list[Build]]:
        """Way → its builds, each after one with the same caches."""
        for name, way in self.ways.items():
            if name != MLFLOW_VIRTUALENV:
                attempt(way, dict(os.environ))
        return self._builds("warm", rounds, dict(os.environ), fresh_caches=False)

    def _builds(
        self, what: str, rounds: int, environment: dict[str, str], fresh_caches: bool
    ) -> dict[str, list[Build]]:
        found: dict[str, list[Build]] = {name: [] for name in self.ways}
        for _ in range(rounds):
            for name in random.sample(list(self.ways), len(self.ways)):
                if len(found[name]) >= MOST.get(name, rounds):
                    continue
                with tempfile.TemporaryDirectory(dir=self.scratch) as cache:
                    caches = {"UV_CACHE_DIR": f"{cache}/uv", "PIP_CACHE_DIR": f"{cache}/pip"} if fresh_caches else {}
                    build = attempt(self.ways[name], environment | caches)
                if build is not None:
                    found[name].append(build)
                    print(what, name, f"{build.wall:.2f} s", flush=True)
        return {name: builds for name, builds in found.items() if builds}

    def plain(self, environment: dict[str, str]) -> Build:
        shutil.rmtree(self.venv, ignore_errors=True)
        began = time.perf_counter()
        run([UV, "venv", "-q", "--python", self.interpreter.path, self.venv], environment)
        run([UV, "pip", "install", "-q", "--python", self.venv / "bin/python", *REQUIREMENTS], environment)
        return Build(time.perf_counter() - began)

    def ours(self, environment: dict[str, str]) -> Build:
        home = self.scratch / "home"
        shutil.rmtree(home / "envs", ignore_errors=True)
        began = time.perf_counter()
        run([MODELPORT, "prepare-env", "-m", self.model], {**environment, "MODELPORT_HOME": str(home)})
        wall = time.perf_counter() - began
        (state,) = (home / "envs").glob("*/environment.json")
        (found,) = (home / "envs/specs").glob("*.json")
        seconds = json.loads(state.read_text())["seconds"]
        resolving = json.loads(found.read_text())["seconds"]["resolve"]
        return Build(wall - seconds["check"], seconds["check"], resolving + seconds["create"] + seconds["install"])

    def mlflow(self, environment: dict[str, str], manager: str) -> Build:
        root = self.scratch / "mlflow-envs"
        shutil.rmtree(root, ignore_errors=True)
        path = f"{UV.parent}{os.pathsep}{environment['PATH']}"
        command: list[str | Path] = [
            MODEL_PYTHON.with_name("mlflow"),
            "models",
            "prepare-env",
            "-m",
            self.model,
            "--env-manager",
            manager,
        ]
        began = time.perf_counter()
        run(command, {**environment, "MLFLOW_ENV_ROOT": str(root), "PATH": path})
        return Build(time.perf_counter() - began)

    # -- what comes after ----------------------------------------------------------------------------------------------

    def loads(self, rounds: int) -> tuple[list[float], list[float]]:
        """Seconds of the check in a new environment, and of loading and predicting in a new one of plain uv."""
        checks, bare = [], []
        for _ in range(rounds):
            check = self.ours(dict(os.environ)).check
            assert check is not None
            checks.append(check)
            self.plain(dict(os.environ))
            began = time.perf_counter()
            run([self.venv / "bin/python", "-c", LOAD, self.model / "model.pkl"], dict(os.environ))
            bare.append(time.perf_counter() - began)
        return checks, bare

    def found(self, rounds: int) -> list[float]:
        """Seconds until a model that has never been seen finds the environment of another with the same spec."""
        seconds = []
        for number in range(rounds):
            model = self.model_at(self.scratch / f"same-{number}", REQUIREMENTS)
            command = [sys.executable, "-c", FIND, str(model)]
            environment = {**os.environ, "MODELPORT_HOME": str(self.scratch / "home")}
            told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            seconds.append(float(told.stdout))
        return seconds

    def disk(self) -> tuple[int, int, int]:
        """MiB of the environments of 5 models with 5 specs, of 50 models with these; and how many there are in the end."""
        home = self.scratch / "many"
        specs = [(*REQUIREMENTS, f"joblib=={version}") for version in ("1.2.0", "1.3.0", "1.3.2", "1.4.0", "1.4.2")]
        sizes = []
        for models in range(10):
            for number, spec in enumerate(specs):
                model = self.model_at(self.scratch / f"many-{models}-{number}", spec)
                run([MODELPORT, "prepare-env", "-m", model], {**os.environ, "MODELPORT_HOME": str(home)})
            if models in (0, 9):
                sizes.append(size(home / "envs") >> 20)
        return sizes[0], sizes[1], len(list((home / "envs").glob("*/environment.json")))

    def ready(self, rounds: int) -> tuple[list[float], list[float]]:
        """Seconds from the start of `serve` to the first 200: in the environment that is there, and in it by `--python`."""
        home = self.scratch / "home"
        (state,) = (home / "envs").glob("*/environment.json")
        ours: list[float] = []
        local: list[float] = []
        for _ in range(rounds):
            for seconds, more in ((ours, []), (local, ["--python", str(state.parent / "bin/python")])):
                seconds.append(self._ready(home, more))
        return ours, local

    def _ready(self, home: Path, more: list[str]) -> float:
        port = free_port()
        command: list[str | Path] = [MODELPORT, "serve", "-m", self.model, "-p", str(port), *more]
        environment = {**os.environ, "MODELPORT_HOME": str(home)}
        began = time.perf_counter()
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while time.perf_counter() - began < 60:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                        return time.perf_counter() - began
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.005)
            raise TimeoutError("the server was not ready within a minute")
        finally:
            server.terminate()
            server.wait()


def attempt(way: Callable[[dict[str, str]], Build], environment: dict[str, str]) -> Build | None:
    """A build, or None where this machine lacks what it takes (MLflow's virtualenv wants pyenv)."""
    try:
        return way(environment)
    except subprocess.CalledProcessError as error:
        print(error.output.decode(errors="replace").strip()[-200:], flush=True)
        return None


def run(command: Sequence[str | Path], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def size(folder: Path) -> int:
    """Bytes on disk, each file once whatever links to it."""
    blocks = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        blocks[facts.st_ino] = facts.st_blocks * 512
    return sum(blocks.values())


def report(
    builds: dict[str, dict[str, list[Build]]],
    loads: tuple[list[float], list[float]],
    found: list[float],
    disk: tuple[int, int, int],
    ready: tuple[list[float], list[float]],
) -> str:
    lines = [
        "## Environments",
        "",
        f"`make bench-environments`; {cpu_model()}, {os.cpu_count()} cores. Medians, with the least and the most. Cold: every",
        f"cache empty, the wheels from an index on loopback, over a line of {MBIT} Mbit/s that answers after",
        f"{LATENCY * 1000:.0f} ms, and over one without a limit, where reading, checking and unpacking is all that is left.",
        "",
        "| what | seconds | beside plain uv |",
        "|---|---|---|",
    ]
    for temperature, ways in builds.items():
        plain = statistics.median(build.wall for build in ways["uv venv + uv pip install"])
        for name, rounds in ways.items():
            walls = [build.wall for build in rounds]
            ratio = statistics.median(walls) / plain
            without = ", the whole command without the check" if rounds[0].check is not None else ""
            lines.append(f"| {temperature}: {name}{without} | {spread(walls)} | {ratio:.2f} x |")
            stages = [build.stages for build in rounds if build.stages is not None]
            if stages:
                ratio = statistics.median(stages) / plain
                told = "resolve + create + install, as it says itself"
                lines.append(f"| {temperature}: {name}, {told} | {spread(stages)} | {ratio:.2f} x |")
    checks, bare = loads
    ratio = statistics.median(checks) / statistics.median(bare)
    lines += [
        f"| the check: a worker loads the model and is warm | {spread(checks)} | {ratio:.2f} x the line below |",
        f"| the same library loaded bare, one prediction, in a new environment too | {spread(bare)} | |",
        f"| a second model finds the environment of the same spec | {spread(found, 3)} | |",
        f"| `serve` until ready, environment found | {spread(ready[0])} | |",
        f"| `serve --python` until ready, same interpreter | {spread(ready[1])} | |",
        "",
        f"5 models with 5 specs have {disk[0]} MiB of environments, 50 models with these {disk[1]} MiB, in {disk[2]} folders.",
    ]
    return "\n".join(lines)


def spread(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
