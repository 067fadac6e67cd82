"""What is registered, in all the spellings that Azure's files have."""

import pytest

from modelport.domain.references import Reference, of_version, parse
from modelport.errors import InvalidInput

SUBSCRIPTION = "/subscriptions/0-1/resourceGroups/group/providers/Microsoft.MachineLearningServices/workspaces/space"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("azureml:churn:1", Reference("churn", "1")),
        ("azureml:churn:2026-01", Reference("churn", "2026-01")),
        ("azureml:churn@latest", Reference("churn", None, "latest")),
        ("azureml:churn", Reference("churn")),
        ("azureml:_a.b-C9:1", Reference("_a.b-C9", "1")),
        ("azureml:/models/churn/versions/1", Reference("churn", "1")),
        (f"azureml:{SUBSCRIPTION}/models/churn/versions/3", Reference("churn", "3")),
        (f"{SUBSCRIPTION}/environments/tools/versions/4", Reference("tools", "4")),
        ("azureml://registries/azureml/environments/tools/labels/latest", Reference("tools", None, "latest")),
        ("azureml://registries/azureml/models/churn/versions/5", Reference("churn", "5")),
        ("azureml://models/churn/versions/5", Reference("churn", "5")),
        (
            "azureml://subscriptions/0/resourcegroups/g/workspaces/w/models/churn/versions/6",
            Reference("churn", "6"),
        ),
    ],
)
def test_spellings(text: str, reference: Reference) -> None:
    assert parse(text, "model") == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "churn",
        "churn:1",
        "azureml:",
        "azureml::1",
        "azureml:churn:",
        "azureml:churn@",
        "azureml:churn:1@latest",
        "azureml:churn:1:2",
        "azureml:a b:1",
        "azureml:-a:1",
        "azureml:/models/churn",
        "azureml:/models//versions/1",
        "azureml:/models/churn/versions/",
        "models/churn/versions/1",
        "./models/churn/versions/1",
        "runs:/abc/model",
    ],
)
def test_what_is_no_reference_is_told_where_it_stands(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^a place: .* is no reference") as refused:
        parse(text, "a place")
    assert refused.value.hint == "azureml:NAME:VERSION or azureml:NAME@latest"


@pytest.mark.parametrize("text", ["azureml:churn@newest", "azureml:/models/churn/labels/newest"])
def test_there_is_one_label(text: str) -> None:
    with pytest.raises(InvalidInput, match="there is no label 'newest'"):
        parse(text, "model")


def test_a_version_is_referred_to_as_it_is_read() -> None:
    assert parse(of_version("churn", "1"), "model") == Reference("churn", "1")
