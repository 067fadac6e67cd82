"""`--env`, `--sandbox` and `--allow` as settings."""

import pytest
import typer

from modelport.cli.safety_flags import safety_settings
from modelport.settings import SafetySettings


def test_nothing_given_is_the_default() -> None:
    assert safety_settings(None, False, "code") == SafetySettings()


def test_a_name_alone_passes_what_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "value")
    found = safety_settings(["A=1", "B=two=2", "C=", "HERE", "A=last"], True, "none")
    assert found == SafetySettings({"A": "last", "B": "two=2", "C": "", "HERE": "value"}, sandbox=True, allow="none")


@pytest.mark.parametrize(
    ("env", "allow", "told"),
    [
        (["NOT_SET_ANYWHERE"], "code", "'NOT_SET_ANYWHERE' is not set here: give NOT_SET_ANYWHERE=VALUE"),
        (["=1"], "code", "'=1' is no NAME=VALUE"),
        ([], "nothing", "'nothing' is none of code, pickle, none"),
    ],
)
def test_what_cannot_be_understood_is_told(env: list[str], allow: str, told: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        safety_settings(env, False, allow)
    assert refused.value.message == told
