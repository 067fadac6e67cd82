"""On every Python: models saved there by its newest mlflow are served there, and every case gets the answer mlflow gives."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end.server import Server, running
from tests.interpreters import table
from tests.interpreters.cases import CASES, mismatch, request, same
from tests.interpreters.saved import MODELS, record, saved_on
from tests.support.interpreters import VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.timeout(300)
def test_every_case_is_answered_as_mlflow_answers_it_there(version: str, tmp_path: Path) -> None:
    saved = saved_on(version)
    models = {name: saved.folder / name for name in MODELS}
    failed = {}
    with running(models, tmp_path, "--python", str(saved.python)) as server:
        for case in CASES:
            path, headers, body = request(case)
            status, answer, _ = server.ask(path, body, **headers)
            wrong = mismatch(case, saved.answer(case), status, answer)
            if wrong is not None:
                failed[case["name"]] = wrong
        assert_joining_changes_nothing(server)
    assert not failed, "\n".join(f"{name}: {wrong}" for name, wrong in failed.items())
    table.assert_shown(record(saved, "serve", len(CASES)))


def assert_joining_changes_nothing(server: Server) -> None:
    """Requests that arrive together are predicted together: each gets what it gets alone."""

    def predict(place: int) -> tuple[int, object]:
        document = {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[place, 0.5, -1.0]] * (1 + place % 3)}}
        headers = {"content_type": "application/json"}
        return server.ask("/models/regressor/invocations", json.dumps(document).encode(), **headers)[:2]

    alone = [list(predict(place)) for place in range(12)]
    with ThreadPoolExecutor(12) as clients:
        for _ in range(5):
            assert same(alone, [list(answer) for answer in clients.map(predict, range(12))])
