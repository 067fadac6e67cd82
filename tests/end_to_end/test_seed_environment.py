"""The source article's own list of packages: trained on Python 3.10 with MLflow 2.7.1, served by one command from here."""

import json
from pathlib import Path

import pytest

from tests.matrix.made import made
from tests.matrix.served import built, served
from tests.matrix.table import ARTICLE

PINNED = {
    "cloudpickle": "1.6.0",
    "dataclasses": "0.6",
    "lz4": "4.0.0",
    "numpy": "1.23.5",
    "packaging": "23.0",
    "psutil": "5.9.0",
    "pyyaml": "6.0",
    "scikit-learn": "1.1.2",
    "scipy": "1.10.1",
    "uuid": "1.30",
}


@pytest.mark.parametrize("options", [(), ("--keep-mlflow",)], ids=["as it is", "with mlflow"])
@pytest.mark.timeout(600)
def test_the_articles_model_predicts_what_it_predicted_where_it_was_trained(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    model = made(ARTICLE)
    home = tmp_path / "home"
    with served(model.model, home, tmp_path / "server", *options) as server:
        assert server.predict(model.request) == (200, {"predictions": model.answer})
        document = {"input_data": model.request["dataframe_split"]}  # as the article sends it
        assert server.ask("/score", json.dumps(document).encode(), content_type="application/json")[:2] == (
            200,
            model.answer,
        )
    environment = built(home, model.model)
    assert environment is not None
    assert environment.python.startswith("3.10.")
    wanted = {**PINNED, "mlflow": "2.7.1"} if options else PINNED
    assert {name: environment.versions.get(name) for name in wanted} == wanted
    assert ("mlflow" in environment.versions) == bool(options)
