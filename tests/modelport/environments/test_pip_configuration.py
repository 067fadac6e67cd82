"""What pip was told reaches uv, where uv was not told itself."""

import os
from pathlib import Path

import pytest

from modelport.environments.pip_configuration import as_uv_variables, of_uv_files


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def _variables(home: Path, **environment: str) -> dict[str, str]:
    """Of these variables, and the files in ``home``."""
    given = {"PIP_CONFIG_FILE": str(home / "pip.conf"), "XDG_CONFIG_DIRS": str(home / "xdg"), **environment}
    return as_uv_variables(given)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("option", "value", "variables"),
    [
        ("index-url", "https://example.org/simple", {"UV_DEFAULT_INDEX": "https://example.org/simple"}),
        (
            "extra-index-url",
            "https://a.org/simple\n  https://b.org/simple",
            {"UV_INDEX": "https://a.org/simple https://b.org/simple", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ("find-links", "/one\n  /two", {"UV_FIND_LINKS": "/one,/two"}),
        ("no-index", "true", {"UV_NO_INDEX": "true"}),
        ("cert", "/etc/ours.pem", {"SSL_CERT_FILE": "/etc/ours.pem"}),
        ("client-cert", "/etc/mine.pem", {"SSL_CLIENT_CERT": "/etc/mine.pem"}),
        ("trusted-host", "example.org", {"UV_INSECURE_HOST": "example.org"}),
        ("proxy", "http://proxy.org:3128", {"ALL_PROXY": "http://proxy.org:3128"}),
        ("proxy", "me:secret@proxy.org:3128", {"ALL_PROXY": "http://me:secret@proxy.org:3128"}),
        ("keyring-provider", "subprocess", {"UV_KEYRING_PROVIDER": "subprocess"}),
        ("keyring-provider", "import", {"UV_KEYRING_PROVIDER": "subprocess"}),
        ("keyring-provider", "disabled", {"UV_KEYRING_PROVIDER": "disabled"}),
        ("timeout", "90", {"UV_HTTP_TIMEOUT": "90"}),
    ],
)
def test_each_option_has_its_variable_from_files_and_from_the_environment(
    home: Path, option: str, value: str, variables: dict[str, str]
) -> None:
    _write(home / "pip.conf", f"[global]\n{option} = {value}\n")
    found = _variables(home)
    assert {name: found.get(name) for name in variables} == variables
    (home / "pip.conf").write_text("")
    named = f"PIP_{option.upper().replace('-', '_')}"
    found = _variables(home, **{named: value})
    assert {name: found.get(name) for name in variables} == variables


def test_the_environment_counts_most_and_the_users_file_more_than_the_sites(home: Path) -> None:
    _write(home / "xdg" / "pip" / "pip.conf", "[global]\nindex-url = https://site.org\ncert = /site.pem\n")
    _write(home / ".config" / "pip" / "pip.conf", "[global]\nindex-url = https://user.org\n[install]\ntimeout = 5\n")
    found = _variables(home)
    assert (found["UV_DEFAULT_INDEX"], found["UV_HTTP_TIMEOUT"]) == ("https://user.org", "5")
    assert _variables(home, PIP_INDEX_URL="https://mine.org")["UV_DEFAULT_INDEX"] == "https://mine.org"


def test_who_has_told_uv_of_indexes_is_not_contradicted(home: Path) -> None:
    _write(home / "pip.conf", "[global]\nindex-url = https://pip.org\ncert = /pip.pem\ntimeout = 7\n")
    for variables in ({"UV_INDEX": "https://uv.org"}, {"UV_DEFAULT_INDEX": "https://uv.org"}, {"UV_NO_INDEX": "1"}):
        found = _variables(home, **variables)
        assert "UV_DEFAULT_INDEX" not in found
        assert found["UV_HTTP_TIMEOUT"] == "7"
    for text in ('[[index]]\nurl = "https://uv.org"\n', '[pip]\nindex-url = "https://uv.org"\n'):
        _write(home / ".config" / "uv" / "uv.toml", text)
        assert "UV_DEFAULT_INDEX" not in _variables(home)
    (home / ".config" / "uv" / "uv.toml").write_text("[pip]\nno-binary = ['six']\n")
    assert _variables(home)["UV_DEFAULT_INDEX"] == "https://pip.org"
    (home / ".config" / "uv" / "uv.toml").write_text("damaged [")
    assert _variables(home)["UV_DEFAULT_INDEX"] == "https://pip.org"


def test_a_variable_of_uvs_that_is_set_stays(home: Path) -> None:
    _write(home / "pip.conf", "[global]\nextra-index-url = https://a.org\ncert = /pip.pem\n")
    found = _variables(home, SSL_CERT_FILE="/mine.pem", UV_INDEX_STRATEGY="first-index")
    assert "SSL_CERT_FILE" not in found and "UV_INDEX_STRATEGY" not in found
    assert found["UV_INDEX"] == "https://a.org"


def test_a_file_that_pip_could_not_read_either_says_nothing(home: Path) -> None:
    (home / "pip.conf").write_bytes(b"index-url = https://no.section\n\xff")
    assert "UV_DEFAULT_INDEX" not in _variables(home)


def test_pip_may_be_told_to_read_no_file(home: Path) -> None:
    _write(home / ".config" / "pip" / "pip.conf", "[global]\nindex-url = https://user.org\n")
    assert as_uv_variables({"PIP_CONFIG_FILE": os.devnull}) == {}


OF_UV = """
no-index = true
index-url = "https://old.org"
find-links = ["wheels", "https://links.org"]

[[index]]
name = "mine"
url = "https://mine.org"
default = true

[[index]]
name = "more"
url = "https://more.org"

[[index]]
url = "https://flat.org"
format = "flat"

[[index]]
name = "torch"
url = "https://torch.org"
explicit = true

[pip]
extra-index-url = ["https://pip.org"]
"""


def test_what_only_uvs_files_name_is_told_to_others_in_its_variables(home: Path) -> None:
    assert of_uv_files({}) == {}
    folder = home / ".config" / "uv"
    _write(folder / "uv.toml", OF_UV)
    assert of_uv_files({}) == {
        "UV_DEFAULT_INDEX": "mine=https://mine.org",
        "UV_INDEX": "https://pip.org more=https://more.org",
        "UV_FIND_LINKS": f"https://flat.org,{folder}/wheels,https://links.org",
        "UV_NO_INDEX": "true",
    }
    given = {"UV_DEFAULT_INDEX": "https://own.org", "UV_INDEX": "https://first.org", "UV_FIND_LINKS": "/one"}
    found = {**given, **of_uv_files(given)}
    assert found["UV_DEFAULT_INDEX"] == "https://own.org"
    assert found["UV_INDEX"] == "https://first.org https://pip.org more=https://more.org"
    assert found["UV_FIND_LINKS"].startswith("/one,https://flat.org")
    assert of_uv_files({"UV_CONFIG_FILE": str(home / "none.toml")}) == {}
