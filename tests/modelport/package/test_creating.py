"""Packages made for real: an environment is built, wheels are fetched and built, everything is written."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import cyclonedx.schema
import jsonschema_rs
import pytest

from modelport.environments.interpreters import Interpreter
from modelport.errors import ModelportError
from modelport.model import package
from modelport.model.environment_spec import EnvironmentSpec
from modelport.package import archive, creating, wheels
from modelport.package.creating import create
from modelport.package.platforms import this_machine
from modelport.settings import EnvironmentSettings
from tests.modelport.package import tiny

REQUIREMENTS = "--extra-index-url https://ann:s3cret@packages.invalid/simple\nsix==1.17.0"
SCHEMAS = ("bom-1.6", "spdx", "jsf-0.82")
SCHEMA_ROOT = "http://cyclonedx.org/schema"
OWN = Interpreter(sys.executable, platform.python_version(), "the tests'")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def made(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a small model."""
    folder = tmp_path_factory.mktemp("made")
    model = tiny.model(folder / "doubling")
    (model / "code" / "__pycache__").mkdir()
    (model / "code" / "__pycache__" / "doubling.cpython-311.pyc").write_bytes(os.urandom(8))
    create(str(model), str(folder / "doubling.mpkg"), None, EnvironmentSettings(), home)
    return folder / "doubling.mpkg"


def test_what_a_package_says_of_itself(made: Path) -> None:
    manifest = package.verify(made)
    content = manifest.content
    assert (manifest.name, manifest.python) == ("doubling", platform.python_version())
    assert content["model"]["loader_module"] == "doubling"
    assert content["platform"] == {"system": platform.system(), "machine": platform.machine()}
    assert content["environment"]["has_mlflow"] is False
    assert {name.split("-")[0] for name in manifest.wheels} >= {"six", "numpy", "pandas"}
    assert not [name for name in manifest.files if "__pycache__" in name]
    assert "runtime/modelport_runtime/worker.py" in manifest.files
    assert [name for name in manifest.files if name.startswith("runtime/orjson-")]


def test_the_same_model_gives_the_same_bytes(made: Path, home: Path, tmp_path: Path) -> None:
    again = tiny.model(tmp_path / "doubling")
    for path in again.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    create(str(again), str(tmp_path / "again.mpkg"), None, EnvironmentSettings(), home)
    assert (tmp_path / "again.mpkg").read_bytes() == made.read_bytes()


def test_no_path_of_this_machine_is_told(made: Path, home: Path) -> None:
    with ZipFile(made) as opened:
        texts = [opened.read(name) for name in ("manifest.json", "lock.txt", "sbom.cdx.json")]
    for place in (str(home), str(Path.home()), sys.prefix, os.uname().nodename, "://"):
        assert not [text for text in texts if place.encode() in text], place


def test_credentials_of_the_model_stay_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny.model(tmp_path / "doubling", REQUIREMENTS)
    cleaned = creating._without_credentials(model / "requirements.txt")
    assert cleaned == b"--extra-index-url https://****@packages.invalid/simple\nsix==1.17.0"
    assert "requirements.txt of the package is without the credentials" in caplog.text


def test_the_bill_of_materials_is_valid_cyclonedx(made: Path) -> None:
    with ZipFile(made) as opened:
        content = json.loads(opened.read("sbom.cdx.json"))
    published = Path(cyclonedx.schema.__file__).parent / "_res"
    schemas = {name: json.loads((published / f"{name}.SNAPSHOT.schema.json").read_text()) for name in SCHEMAS}
    known = jsonschema_rs.Registry([(f"{SCHEMA_ROOT}/{name}.SNAPSHOT.schema.json", schemas[name]) for name in SCHEMAS])
    jsonschema_rs.validator_for(schemas["bom-1.6"], registry=known).validate(content)
    assert content["specVersion"] == "1.6"
    six = next(component for component in content["components"] if component["name"] == "six")
    assert six["purl"] == "pkg:pypi/six@1.17.0"
    assert six["licenses"] == [{"license": {"name": "MIT"}}]
    assert six["hashes"][0]["content"] in package.read_text(made, "lock.txt")
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(schemas["bom-1.6"], registry=known).validate({**content, "serialNumber": "1"})
    needs = {entry["ref"].split("@")[0]: entry["dependsOn"] for entry in content["dependencies"]}
    assert six["purl"] in needs["model"] and six["purl"] in needs["pkg:pypi/python-dateutil"]


def test_a_model_whose_files_name_no_package_is_refused(home: Path, tmp_path: Path) -> None:
    model = tiny.model(tmp_path / "doubling", "")
    with pytest.raises(ModelportError) as error:
        create(str(model), str(tmp_path / "out.mpkg"), None, EnvironmentSettings(), home)
    assert error.value.code == "PACKAGE_WITHOUT_REQUIREMENTS"
    assert not list(tmp_path.glob("*.mpkg")), "a package appears whole or not at all"


def test_an_output_of_another_name_or_a_package_as_model_is_refused(made: Path, home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelportError, match="is no name of a package"):
        create(str(tmp_path), str(tmp_path / "out.zip"), None, EnvironmentSettings(), home)
    with pytest.raises(ModelportError, match="is a package already"):
        create(str(made), str(tmp_path / "out.mpkg"), None, EnvironmentSettings(), home)


def test_a_link_out_of_the_model_is_refused(home: Path, tmp_path: Path) -> None:
    model = tiny.model(tmp_path / "doubling")
    (model / "secret").symlink_to("/etc/hostname")
    with pytest.raises(ModelportError, match="leads out of the model"):
        create(str(model), str(tmp_path / "out.mpkg"), None, EnvironmentSettings(), home)


def sources(folder: Path) -> Path:
    """Those of a distribution of which there is no wheel; setuptools makes it."""
    inside = folder / "tinylib-1.0"
    inside.mkdir(parents=True)
    (inside / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=70"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "tinylib"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["tinylib"]\n'
    )
    (inside / "tinylib.py").write_text("NUMBER = 1\n")
    (inside / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tinylib\nVersion: 1.0\n")
    return inside


def in_an_archive(folder: Path) -> Path:
    path = folder / "tinylib-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        opened.add(sources(folder / "sources"), "tinylib-1.0")
    return path


def of_an_index(folder: Path) -> str:
    return f"tinylib==1.0 --hash=sha256:{archive.facts_of(in_an_archive(folder)).sha256}"


def of_the_model(folder: Path) -> str:
    path = in_an_archive(folder)
    return f"tinylib @ files/{path.name} --hash=sha256:{archive.facts_of(path).sha256}"


def of_a_repository(folder: Path) -> str:
    inside = sources(folder)
    git = ["git", "-C", str(inside), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q", "."], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return f"tinylib @ git+{inside.as_uri()}@{commit}"


@pytest.mark.parametrize("place", [of_an_index, of_the_model, of_a_repository])
def test_what_has_no_wheel_becomes_the_same_wheel_each_time(place: Callable[[Path], str], tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    line = place(files)
    spec = EnvironmentSpec(options=(f"--find-links {files.as_uri()}",))
    locks, contents = [], []
    for number in (1, 2):
        folder = tmp_path / f"work-{number}" / "wheels"
        folder.parent.mkdir()
        locks.append(wheels.collect((line,), files, OWN, this_machine(), spec, None, folder, tmp_path / "log"))
        (wheel,) = folder.iterdir()
        assert wheel.name == "tinylib-1.0-py3-none-any.whl"
        contents.append(wheel.read_bytes())
    assert contents[0] == contents[1]
    digest = hashlib.sha256(contents[0]).hexdigest()
    assert locks[0] == locks[1] == (f"tinylib==1.0 --hash=sha256:{digest}",)


def test_what_no_index_has_is_told_with_its_name(tmp_path: Path) -> None:
    spec = EnvironmentSpec(options=("--no-index", f"--find-links {tmp_path.as_uri()}"))
    line = f"tinylib==1.0 --hash=sha256:{'0' * 64}"
    with pytest.raises(ModelportError) as error:
        wheels.collect((line,), tmp_path, OWN, this_machine(), spec, None, tmp_path / "wheels", tmp_path / "log")
    assert error.value.code == "PACKAGE_WHEELS_MISSING"
    assert "tinylib has none and cannot be built" in error.value.message
