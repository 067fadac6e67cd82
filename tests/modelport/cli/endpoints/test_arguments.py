"""A line as az takes it → the line as typer takes it."""

import json

import pytest
import typer

from modelport.cli.endpoints.arguments import Option, arranged

OPTIONS = {
    name: Option(chief, takes_value)
    for chief, short, takes_value in [
        ("--name", "-n", True),
        ("--endpoint-name", "-e", True),
        ("--no-wait", None, False),
        ("--set", None, True),
        ("--add", None, True),
        ("--tags", None, True),
        ("--traffic", None, True),
        ("--yes", "-y", False),
        ("--yes-really", None, False),
    ]
    for name in (chief, short)
    if name is not None
}


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("-n a --endpoint b --no", "-n a --endpoint-name b --no-wait"),
        ("--endpoint=b --na=c", "--endpoint-name=b --name=c"),
        ("--name --no -y", "--name --no -y"),
        ("--yes", "--yes"),
        ("--unknown x -z", "--unknown x -z"),
        ("-n a -- --endpoint b", "-n a -- --endpoint b"),
        ("--set a=1 b.c=2 -n x --set d=3", "--set=a=1 --set=b.c=2 -n x --set=d=3"),
        ("--set a 1 b=2 c -3 --yes", "--set=a=1 --set=b=2 --set=c=-3 --yes"),
        ("--se=a=1 b=2", "--set=a=1 --set=b=2"),
        ("--tags a=1 b=2", "--tags=a=1 --tags=b=2"),
        ("--traffic blue=90 green=10 -y", "--traffic=blue=90 --traffic=green=10 -y"),
    ],
)
def test_options_get_their_whole_name_and_one_value_each(line: str, becomes: str) -> None:
    assert arranged(line.split(), OPTIONS) == becomes.split()


@pytest.mark.parametrize("text", ["blue=90 green=10", "blue=90,green=10", " blue=90 ,  green=10 "])
def test_shares_may_stand_in_one_word(text: str) -> None:
    assert arranged(["--traffic", text], OPTIONS) == ["--traffic=blue=90", "--traffic=green=10"]


def test_a_tag_may_have_spaces() -> None:
    assert arranged(["--tags", "note=two words"], OPTIONS) == ["--tags=note=two words"]


def test_a_path_and_what_is_added_there_belong_together() -> None:
    first, second = arranged(["--add", "tags", "a=1", "b=2", "--add", "list", "x"], OPTIONS)
    assert json.loads(first.removeprefix("--add=")) == ["tags", "a=1", "b=2"]
    assert json.loads(second.removeprefix("--add=")) == ["list", "x"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--n x", "'--n' can be --name or --no-wait"),
        ("--set -n x", "a value is missing"),
        ("--set a=1 b", "'b' has no value"),
        ("--traffic", "a value is missing"),
    ],
)
def test_what_is_not_clear_is_refused(line: str, said: str) -> None:
    with pytest.raises(typer.BadParameter) as raised:
        arranged(line.split(), OPTIONS)
    assert said in raised.value.message
