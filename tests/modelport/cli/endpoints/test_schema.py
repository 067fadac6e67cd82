"""The JSON Schemas that editors check files with are those of the classes that read the files.

``MODELPORT_WRITE_GOLDEN=1`` writes them.
"""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelport import cli
from modelport.cli.endpoints.kinds import KINDS, kind_class, kind_of
from modelport.errors import InvalidInput, ModelportError

FOLDER = Path(__file__).parents[4] / "docs" / "schemas"


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_is_what_is_read(kind: str) -> None:
    made = CliRunner().invoke(cli.app, ["schema", kind]).stdout
    file = FOLDER / f"{kind}.json"
    if os.environ.get("MODELPORT_WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(made)
    assert file.read_text() == made, "MODELPORT_WRITE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_has_every_key_and_no_other(kind: str) -> None:
    schema = json.loads((FOLDER / f"{kind}.json").read_text())
    assert set(schema["properties"]) == {"$schema", *kind_class(kind).model_fields}
    assert schema["additionalProperties"] is False


def test_there_is_no_schema_of_what_is_no_kind() -> None:
    result = CliRunner().invoke(cli.app, ["schema", "cluster"])
    assert isinstance(result.exception, ModelportError)
    assert "online-endpoint" in str(result.exception.hint)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (
            {"$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json"},
            "online-endpoint",
        ),
        (
            {"$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json"},
            "online-deployment",
        ),
        ({"$schema": "https://azuremlschemas.azureedge.net/latest/model.schema.json"}, "model"),
        ({"$schema": "../schemas/online-endpoint.json"}, "online-endpoint"),
        ({"name": "a", "auth_mode": "key"}, "online-endpoint"),
        ({"name": "a", "endpoint_name": "b", "environment": {}}, "online-deployment"),
        ({"name": "a", "path": "m"}, "model"),
        ({"name": "a", "type": "mlflow_model"}, "model"),
        ({"name": "a", "conda_file": "c.yml"}, "environment"),
        ({"name": "a", "endpoint_name": "b", "mini_batch_size": 3}, None),
        ({"name": "a", "channels": ["conda-forge"], "dependencies": []}, None),
        ({"target_environment": "x"}, None),
    ],
)
def test_a_file_is_known_by_its_schema_or_its_keys(data: dict[str, object], kind: str | None) -> None:
    assert kind_of(data, "file.yml") == kind


def test_a_schema_of_something_else_is_refused() -> None:
    with pytest.raises(InvalidInput, match="of no kind that can be applied"):
        kind_of({"$schema": "https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json"}, "file.yml")
