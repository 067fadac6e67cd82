"""Each model of the table, served from its own files' words alone, predicts what it predicted where it was made.

`make test` builds the light ones, `make matrix` all of them, and writes them into docs/environments.md.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server import Server
from tests.matrix import page
from tests.matrix.answers import same
from tests.matrix.made import Made, made
from tests.matrix.served import built, served
from tests.matrix.table import CASES, Case

ALL = bool(os.environ.get("MODELPORT_TEST_MATRIX"))
CHOSEN = [case for case in CASES if ALL or case.light]


class SideBySide:
    """The servers that run at the same time, one for each model; environments that are equal are shared."""

    def __init__(self, folder: Path, servers: contextlib.ExitStack) -> None:
        self.home = folder / "home"
        self._folder = folder
        self._stack = servers
        self._servers: dict[str, Server] = {}

    def server(self, case: Case, model: Path) -> Server:
        if case.name not in self._servers:
            serving = served(model, self.home, self._folder / case.name, variables=case.variables)
            self._servers[case.name] = self._stack.enter_context(serving)
        return self._servers[case.name]


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    with contextlib.ExitStack() as servers:
        yield SideBySide(tmp_path_factory.mktemp("matrix"), servers)


def assert_answers(server: Server, model: Made) -> bool:
    """Whether the answer is equal to the last bit; it always is as near as sums in another order are."""
    status, body = server.predict(model.request)
    assert status == 200, (body, server.log.read_text())
    assert same(body, {"predictions": model.answer}), (body, model.answer)
    return bool(body == {"predictions": model.answer})


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
@pytest.mark.timeout(600)
def test_a_model_predicts_what_it_predicted_where_it_was_made(case: Case, side_by_side: SideBySide) -> None:
    model = made(case)
    server = side_by_side.server(case, model.model)
    to_the_bit = assert_answers(server, model)
    environment = built(side_by_side.home, model.model)
    assert (environment is None) == (case.name == "no-files")
    if environment is not None:
        assert environment.python.startswith(f"{case.python}."), environment
    if ALL:
        page.record(case, environment, to_the_bit)


def test_all_of_them_go_on_answering_side_by_side(side_by_side: SideBySide) -> None:
    models = [(case, made(case)) for case in CHOSEN]
    running = [(side_by_side.server(case, model.model), model) for case, model in models]
    assert len({server.port for server, _ in running}) == len(CHOSEN)
    for server, model in running:
        assert_answers(server, model)
