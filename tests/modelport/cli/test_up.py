"""`modelport up`: flags and variables → settings, up to the point where it would run."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import modelport.up
from modelport import cli
from modelport.settings import UpSettings


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs ``modelport up`` with these flags and variables; the settings it would run with."""
    run: list[UpSettings] = []
    monkeypatch.setattr(modelport.up, "up", run.append)
    log = logging.getLogger("modelport")
    before, level = list(log.handlers), log.level

    def settings(*words: str, **variables: str) -> UpSettings:
        result = CliRunner().invoke(cli.app, ["up", *words], env=dict(variables))
        assert result.exit_code == 0, result.output
        return run.pop()

    yield settings
    log.handlers[:] = before
    log.setLevel(level)


def test_without_flags_it_is_as_the_settings_are(up: Any, tmp_path: Path) -> None:
    assert up(MODELPORT_HOME=str(tmp_path)) == UpSettings(home=tmp_path)


def test_every_flag_reaches_the_settings(up: Any) -> None:
    words = "--host 0.0.0.0 --port 1 --scoring-port 2 --scoring-processes 3 --store sqlite:///x.db --home h --offline --sandbox"
    assert up(*words.split(), "--ssl-certfile", "c.pem", "--ssl-keyfile", "k.pem") == UpSettings(
        host="0.0.0.0",
        port=1,
        scoring_host="0.0.0.0",
        scoring_port=2,
        scoring_processes=3,
        store="sqlite:///x.db",
        home=Path("h"),
        ssl_certfile="c.pem",
        ssl_keyfile="k.pem",
        offline=True,
        sandbox=True,
    )


def test_predictions_may_have_another_address(up: Any) -> None:
    settings = up("--scoring-host", "10.0.0.1")
    assert (settings.host, settings.scoring_host) == ("127.0.0.1", "10.0.0.1")


def test_a_flag_wins_over_its_variable(up: Any) -> None:
    settings = up("--port", "1", MODELPORT_PORT="3", MODELPORT_SCORING_PORT="4", MODELPORT_STORE="sqlite:///y.db")
    assert (settings.port, settings.scoring_port, settings.store) == (1, 4, "sqlite:///y.db")
