"""What commands print: one readable block for an error."""

import pytest

from modelport import cli
from modelport.cli.output import print_error
from modelport.errors import InvalidInput, WorkerFailed


def test_an_error_is_one_block_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(WorkerFailed("no licence", hint="buy one", details=[{"file": "a"}], traceback="Traceback (most recent"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: no licence [MODEL_NOT_LOADABLE]\n  {'file': 'a'}\nhint: buy one\n"


def test_an_error_without_a_hint_has_no_line_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(InvalidInput("no"))
    assert capsys.readouterr().err == "error: no [BAD_REQUEST]\n"


def test_an_error_of_a_command_ends_it_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise InvalidInput("cannot do this", hint="do that")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: cannot do this [BAD_REQUEST]\nhint: do that\n"
