"""Packages from an index that asks who wants them: every way to say so works, and what was said is written nowhere."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.modelport.environments.index import PASSWORD, SECRETS, USER, Index
from tests.modelport.environments.user import User

BACKEND = """\
import zipfile


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "mp_private-3.0-py3-none-any.whl"
    about = "mp_private-3.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("mp_private.py", "SAYS = 'hello'")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: mp-private\\nVersion: 3.0\\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return name
"""
MEANT = PASSWORD.replace("%2F", "/")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index(tmp_path_factory.mktemp("index"), private=True, dated=False) as made:
        made.add("mp-private", "1.0", code="SAYS = 'hello'\n")
        for name in (
            "numpy",
            "pandas",
            "cloudpickle",
            "setuptools",
        ):  # which every environment gets; this model needs none
            made.add(name, "1.0")
        yield made


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def netrc(user: User, index: Index) -> None:
    user.variables = {"UV_DEFAULT_INDEX": index.url}
    (user.folder / "home" / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {MEANT}\n")


def url_for_uv(user: User, index: Index) -> None:
    user.variables = {"UV_DEFAULT_INDEX": index.url_of(f"{USER}:{PASSWORD}")}


def variables_of_uv(user: User, index: Index) -> None:
    user.variables = {"UV_DEFAULT_INDEX": f"mine={index.url}"}
    user.variables |= {"UV_INDEX_MINE_USERNAME": USER, "UV_INDEX_MINE_PASSWORD": MEANT}


def variable_of_pip(user: User, index: Index) -> None:
    user.variables = {"PIP_INDEX_URL": index.url_of(f"{USER}:{PASSWORD}")}


def file_of_the_model(user: User, index: Index) -> None:
    user.asks_for(f"--index-url {index.url_of(f'{USER}:{PASSWORD}')}", "mp-private==1.0")


def address_in_the_model(user: User, index: Index) -> None:
    address = f"http://{USER}:{PASSWORD}@{index.address}/files/mp_private-1.0-py3-none-any.whl"
    user.asks_for(f"--index-url {index.url}", f"mp-private @ {address}")


def variables_named_in_the_model(user: User, index: Index) -> None:
    user.asks_for(f"--index-url {index.url_of('${INDEX_USER}:${INDEX_PASSWORD}')}", "mp-private==1.0")
    user.variables = {"INDEX_USER": USER, "INDEX_PASSWORD": PASSWORD}


def override(user: User, index: Index) -> None:
    address_in_the_model(user, index)
    (line,) = (line for line in (user.model / "requirements.txt").read_text().splitlines() if " @ " in line)
    user.asks_for(f"--index-url {index.url}", "mp-private==0.9")
    user.variables = {"MODELPORT_TEST_OVERRIDE": line}


def keyring(user: User, index: Index) -> None:
    user.has_program("keyring", f"[ \"$1 $3\" = 'get {USER}' ] && echo {MEANT}")
    user.variables = {"UV_DEFAULT_INDEX": index.url_of(USER), "UV_KEYRING_PROVIDER": "subprocess"}


def keyring_as_pip_has_it(user: User, index: Index) -> None:
    keyring(user, index)
    user.variables = {"PIP_INDEX_URL": index.url_of(USER), "PIP_KEYRING_PROVIDER": "import"}


@pytest.mark.parametrize(
    "way",
    [
        netrc, url_for_uv, variables_of_uv, variable_of_pip, file_of_the_model,
        address_in_the_model, variables_named_in_the_model, override, keyring, keyring_as_pip_has_it,
    ],
)  # fmt: skip
def test_who_is_asked_says_who_they_are_and_it_is_written_nowhere(
    way: Callable[[User, Index], None], user: User, index: Index
) -> None:
    way(user, index)
    line = user.variables.pop("MODELPORT_TEST_OVERRIDE", None)
    done = user.prepares(*(() if line is None else ("-r", line)))
    assert done.returncode == 0, done.stderr
    assert_secret(done, user)


def test_an_index_that_does_not_say_since_when_it_has_a_file_serves_a_model_of_some_day(
    user: User, index: Index
) -> None:
    with (user.model / "MLmodel").open("a") as file:
        file.write("utc_time_created: '2024-05-31 10:00:00.000000'\n")
    user.variables = {"UV_DEFAULT_INDEX": index.url_of(f"{USER}:{PASSWORD}")}
    done = user.prepares()
    assert done.returncode == 0, done.stderr
    assert "an index does not say since when it has" in done.stderr
    assert "missing an upload date" not in done.stderr
    assert_secret(done, user)


def test_who_says_it_wrongly_is_refused_and_that_is_written_nowhere_either(user: User, index: Index) -> None:
    user.variables = {"UV_DEFAULT_INDEX": index.url_of(f"bob:{PASSWORD}"), "UV_HTTP_RETRIES": "0"}
    done = user.prepares()
    assert done.returncode == 1
    assert "refuse" in done.stderr or "credentials" in done.stderr
    assert_secret(done, user)


def test_a_repository_behind_a_password_is_reached_with_that_of_the_models_file(user: User, index: Index) -> None:
    work, bare = user.folder / "work", index.folder / "mp-private.git"
    work.mkdir()
    (work / "backend.py").write_text(BACKEND)
    (work / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "mp-private"\nversion = "3.0"\n'
    )
    for command in (["init", "-q", "."], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *command], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)  # for who asks by plain HTTP
    address = f"git+http://{USER}:{PASSWORD}@{index.address}/files/{bare.name}"
    user.asks_for(f"--index-url {index.url}", f"mp-private @ {address}")
    user.variables = {"NETRC": str(user.folder / "none")}
    done = user.prepares()
    assert done.returncode == 0, done.stderr
    assert_secret(done, user)


def test_a_proxy_is_asked_for_what_is_not_here(user: User, index: Index) -> None:
    with Index(index.folder, dated=False, files=index.files) as proxy:
        for name, value in {
            "HTTP_PROXY": f"http://{USER}:{PASSWORD}@{proxy.address}",
            "PIP_PROXY": f"{USER}:{PASSWORD}@{proxy.address}",
        }.items():
            user.variables = {"UV_DEFAULT_INDEX": "http://packages.invalid/simple", name: value}
            proxy.asked.clear()
            done = user.prepares()
            assert done.returncode == 0, done.stderr
            assert "http://packages.invalid/simple/mp-private/" in proxy.asked
            assert_secret(done, user)
            user = User(user.folder / "again")


def assert_secret(done: "subprocess.CompletedProcess[str]", user: User) -> None:
    for secret in (*SECRETS, MEANT):
        assert secret not in done.stdout + done.stderr
        for path in user.home.rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert secret.encode() not in path.read_bytes(), path
    assert any(user.home.rglob("*.log"))
