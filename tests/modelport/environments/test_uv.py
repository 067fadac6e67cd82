"""How uv is run: with whose indexes and credentials, and without a secret in what is kept of its words."""

import os
import socket
import stat
from pathlib import Path

import pytest

from modelport.environments import uv
from modelport.environments.uv import UvFailed
from modelport.errors import EnvironmentFailed, InvalidInput


@pytest.mark.parametrize(
    ("text", "variables", "clean"),
    [
        ("GET https://me:sesame@example.org/simple", {}, "GET https://****@example.org/simple"),
        ("GET https://token@example.org/simple", {}, "GET https://****@example.org/simple"),
        ("asked with sesame", {"UV_INDEX_MINE_PASSWORD": "sesame"}, "asked with ****"),
        ("asked with sesame", {"UV_INDEX": "mine=https://me:sesame@example.org other=https://x"}, "asked with ****"),
        ("asked with ses/ame", {"PIP_INDEX_URL": "https://me:ses%2Fame@example.org"}, "asked with ****"),
        ("asked with ses%2Fame", {"PIP_INDEX_URL": "https://me:ses%2Fame@example.org"}, "asked with ****"),
        ("by sesame", {"https_proxy": "http://me:sesame@proxy.org"}, "by ****"),
        ("/t/sesame-42/simple", {"ARTIFACTS_TOKEN": "sesame-42"}, "/t/****/simple"),
        ("a word", {"SHORT_TOKEN": "word"}, "a word"),
        ("git+ssh://git@example.org", {}, "git+ssh://****@example.org"),
        ("nothing to hide", {"HOME": "hide"}, "nothing to hide"),
    ],
)
def test_secrets_are_taken_out_of_what_uv_says(text: str, variables: dict[str, str], clean: str) -> None:
    assert uv.without_secrets(text, variables, {}) == clean


def test_those_of_the_model_too() -> None:
    credentials = {"https://a.org": ("me", "sesame"), "https://b.org": ("token-42", "")}
    assert uv.without_secrets("sesame and token-42", {}, credentials) == "**** and ****"


def test_credentials_are_in_a_file_of_the_users_own_while_uv_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("machine theirs.org login them password theirs")
    monkeypatch.setenv("NETRC", str(theirs))
    with uv.netrc({"https://example.org:8443/simple": ("me", 'a "b\\c')}) as variables:
        path = Path(variables["NETRC"])
        assert path.read_text() == (
            'machine example.org login "me" password "a \\"b\\\\c"\nmachine theirs.org login them password theirs'
        )
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "NETRC" in variables and os.environ["NETRC"] == str(theirs)
    assert not path.parent.exists()


def test_git_is_told_the_same_beside_what_it_was_told_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    with uv.netrc({"https://example.org/a.git": ("me", "ses/ame")}) as variables:
        assert variables["GIT_CONFIG_COUNT"] == "2"
        assert variables["GIT_CONFIG_KEY_1"] == "url.https://me:ses%2Fame@example.org/.insteadOf"
        assert variables["GIT_CONFIG_VALUE_1"] == "https://example.org/"


def test_nothing_is_handed_over_where_there_is_nothing() -> None:
    with uv.netrc({}) as variables:
        assert variables == {}


def test_uv_finds_no_interpreter_by_itself_and_downloads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("CONDA_PREFIX", "/somewhere")
    variables = uv.variables()
    assert variables["UV_PYTHON_DOWNLOADS"] == "never"
    assert not {"VIRTUAL_ENV", "CONDA_PREFIX"} & set(variables)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_BUILD_TIMEOUT", given)
    with pytest.raises(InvalidInput, match="MODELPORT_BUILD_TIMEOUT"):
        uv.run(["--version"], tmp_path / "log", tmp_path)


def test_what_waits_for_an_index_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_BUILD_TIMEOUT", "0.5")
    (tmp_path / "wanted.in").write_text("mp-colours\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        arguments = ["pip", "compile", "wanted.in", "--default-index", index]
        with pytest.raises(EnvironmentFailed, match=r"^uv pip compile was not done after 0\.5 s") as raised:
            uv.run(arguments, tmp_path / "log", tmp_path)
    assert raised.value.code == "ENVIRONMENT_TIMED_OUT"
    assert "ended after 0.5 s" in (tmp_path / "log").read_text()


def test_what_uv_answers_is_returned_and_what_it_remarks_is_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert uv.run(["--version"], log, tmp_path).answer.startswith("uv ")
    with pytest.raises(UvFailed) as raised:
        uv.run(["pip", "install", "--nothing-of-the-kind", "https://me:sesame@example.org"], log, tmp_path)
    assert "--nothing-of-the-kind" in raised.value.output
    assert raised.value.output.strip() in log.read_text()
    assert "$ uv --version" in log.read_text() and "sesame" not in log.read_text()


@pytest.mark.parametrize(
    ("options", "given", "also"),
    [
        (("--extra-index-url https://example.org",), {}, {"UV_INDEX_STRATEGY": "unsafe-best-match"}),
        (("--extra-index-url https://example.org",), {"UV_INDEX_STRATEGY": "first-index"}, {}),
        (("--index-url https://example.org",), {}, {}),
    ],
)
def test_a_second_index_of_the_model_is_searched_as_pip_does(
    options: tuple[str, ...], given: dict[str, str], also: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_INDEX_STRATEGY", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert uv.as_pip_searches(options) == also
