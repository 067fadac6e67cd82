"""pip is told of the indexes that uv knows, and of no password on its command line."""

import pytest

from modelport.environments import uv
from modelport.model.environment_spec import EnvironmentSpec
from modelport.package import pip

PRIVATE = "https://packages.example/simple"
CASES: dict[str, tuple[dict[str, str], EnvironmentSpec, dict[str, str], dict[str, tuple[str, str]]]] = {
    "nothing": ({}, EnvironmentSpec(), {}, {}),
    "uv's index": ({"UV_DEFAULT_INDEX": PRIVATE}, EnvironmentSpec(), {"PIP_INDEX_URL": PRIVATE}, {}),
    "more indexes": (
        {"UV_INDEX": f"{PRIVATE} own={PRIVATE}/own", "UV_EXTRA_INDEX_URL": f"{PRIVATE}/more"},
        EnvironmentSpec(),
        {"PIP_EXTRA_INDEX_URL": f"{PRIVATE} {PRIVATE}/own {PRIVATE}/more"},
        {},
    ),
    "a named index with credentials": (
        {"UV_INDEX": f"our-own={PRIVATE}", "UV_INDEX_OUR_OWN_USERNAME": "ann", "UV_INDEX_OUR_OWN_PASSWORD": "s3cret"},
        EnvironmentSpec(),
        {"PIP_EXTRA_INDEX_URL": PRIVATE},
        {PRIVATE: ("ann", "s3cret")},
    ),
    "folders": ({"UV_FIND_LINKS": "/one,/two"}, EnvironmentSpec(), {"PIP_FIND_LINKS": "/one /two"}, {}),
    "no index": ({"UV_NO_INDEX": "true"}, EnvironmentSpec(), {"PIP_NO_INDEX": "1"}, {}),
    "certificates": ({"SSL_CERT_FILE": "/ca.pem"}, EnvironmentSpec(), {"PIP_CERT": "/ca.pem"}, {}),
    "keyring": ({"UV_KEYRING_PROVIDER": "subprocess"}, EnvironmentSpec(), {"PIP_KEYRING_PROVIDER": "subprocess"}, {}),
    "what the model names": (
        {"UV_DEFAULT_INDEX": "https://other.example/simple", "UV_FIND_LINKS": "/one"},
        EnvironmentSpec(
            options=(f"--index-url {PRIVATE}", f"--extra-index-url {PRIVATE}/more", "--find-links /two", "--pre"),
            credentials={PRIVATE: ("bob", "w0rd")},
        ),
        {"PIP_INDEX_URL": PRIVATE, "PIP_EXTRA_INDEX_URL": f"{PRIVATE}/more", "PIP_FIND_LINKS": "/one /two"},
        {PRIVATE: ("bob", "w0rd")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_pip_is_told_of_the_indexes(case: str) -> None:
    told, spec, expected, credentials = CASES[case]
    variables, found = pip.indexes_for(spec, told)
    also = {"PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    assert (variables, found) == ({**also, **expected}, credentials)


def test_a_variable_in_an_index_of_the_model_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX_TOKEN", "s3cret")
    spec = EnvironmentSpec(options=("--extra-index-url https://${INDEX_TOKEN}@packages.example/simple",))
    variables, _ = pip.indexes_for(spec, {})
    assert variables["PIP_EXTRA_INDEX_URL"] == "https://s3cret@packages.example/simple"
    assert "s3cret" not in uv.without_secrets(f"Looking in indexes: {variables['PIP_EXTRA_INDEX_URL']}", variables, {})


def test_what_no_wheel_answers_is_read_from_pips_words() -> None:
    output = (
        "ERROR: Could not find a version that satisfies the requirement uuid==1.30 (from versions: none)\n"
        "ERROR: No matching distribution found for uuid==1.30\n"
    )
    assert pip.PipFailed(output).without_wheel == "uuid==1.30"
    assert pip.PipFailed("ERROR: hashes do not match").without_wheel is None
