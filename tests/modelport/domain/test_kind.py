"""Files are read strictly: what is not known is said with what was meant, and what is written freely is taken."""

from typing import Any

import pytest

from modelport.domain.environment import EnvironmentSpec
from modelport.domain.kind import Kind
from modelport.domain.model import ModelSpec
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec
from modelport.errors import InvalidInput

DEPLOYMENT = {"name": "blue", "endpoint_name": "churn"}


def refusal(kind: type[Kind], data: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        kind.read(data, "FILE")
    return refused.value


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["abc", "a-b", "a1b", "a--b", "abc9", "a" * 32, "x-9-y-8"])
def test_names_of_endpoints_that_are_good(name: str) -> None:
    assert OnlineEndpointSpec.read({"name": name}, "FILE").name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 33,
        "1ab",
        "-ab",
        "ab-",
        "a_b",
        "a.b",
        "a b",
        "äbc",
        "abc\n",
        "a/b",
        "..",
        "ab\u0665",
        "a b",
        None,
        12,
    ],
)
def test_names_of_endpoints_that_are_none(name: Any) -> None:
    assert "name" in str(refusal(OnlineEndpointSpec, {"name": name}))


def test_names_of_endpoints_are_lower_case_everywhere() -> None:
    endpoint = OnlineEndpointSpec.read({"name": "Churn", "traffic": {"Blue": 100}}, "FILE")
    assert (endpoint.name, endpoint.traffic) == ("churn", {"blue": 100})
    deployment = OnlineDeploymentSpec.read({"name": "Blue", "endpoint_name": "CHURN"}, "FILE")
    assert (deployment.name, deployment.endpoint_name) == ("blue", "churn")


@pytest.mark.parametrize("name", ["a", "_a", "9", "a.b-c_D", "A" * 255])
def test_names_of_models_and_environments_are_kept_as_they_are(name: str) -> None:
    assert ModelSpec.read({"name": name}, "FILE").name == name
    assert EnvironmentSpec.read({"name": name}, "FILE").name == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "a b", "a:b", "a@b", "é", "a" * 256, "a\n"])
def test_names_of_models_that_are_none(name: str) -> None:
    refusal(ModelSpec, {"name": name})


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (OnlineEndpointSpec, {"name": "abc", "trafic": {}}, "there is no key 'trafic'; did you mean 'traffic'?"),
        (OnlineEndpointSpec, {"name": "abc", "authMode": "key"}, "'authMode'; did you mean 'auth_mode'?"),
        (
            OnlineDeploymentSpec,
            {**DEPLOYMENT, "request_settings": {"request_timeout": 1}},
            "'request_settings.request_timeout'; did you mean 'request_timeout_ms'?",
        ),
        (OnlineDeploymentSpec, {**DEPLOYMENT, "liveness_probe": {"preiod": 1}}, "did you mean 'period'?"),
        (
            OnlineEndpointSpec,
            {"name": "abc", "zzzzzz": 1},
            "there is no key 'zzzzzz'; there is name, description, tags",
        ),
        (OnlineEndpointSpec, {}, "name: Field required"),
    ],
)
def test_a_key_that_is_not_known_is_told_with_the_nearest(kind: type[Kind], data: Any, message: str) -> None:
    error = refusal(kind, data)
    assert message in str(error)
    assert str(error).startswith(f"FILE is no {kind.NOUN}: ")


def test_all_that_is_wrong_is_told_at_once() -> None:
    error = refusal(OnlineEndpointSpec, {"name": "x", "trafic": {}, "auth_mode": "none"})
    assert {detail["key"] for detail in error.details} == {"name", "trafic", "auth_mode"}


@pytest.mark.parametrize("data", [None, [], "text", 1, True])
def test_what_is_no_mapping_is_no_kind(data: Any) -> None:
    assert str(refusal(OnlineEndpointSpec, data)).startswith("FILE is no online endpoint: keys and values are wanted")


def test_the_key_that_editors_need_is_passed_over() -> None:
    assert OnlineEndpointSpec.read({"$schema": "https://example.com/x.json", "name": "abc"}, "FILE").name == "abc"


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["aml_token", "amlToken", "AMLToken", "AmlToken", "aml_Token", "AML_TOKEN"])
def test_a_value_of_a_list_is_known_in_every_spelling(text: str) -> None:
    assert OnlineEndpointSpec.read({"name": "abc", "auth_mode": text}, "FILE").auth_mode == "aml_token"


@pytest.mark.parametrize(
    ("kind", "data", "key", "value"),
    [
        (OnlineEndpointSpec, {"name": "abc", "auth_mode": "Key"}, "auth_mode", "key"),
        (OnlineEndpointSpec, {"name": "abc", "public_network_access": "Disabled"}, "public_network_access", "disabled"),
        (ModelSpec, {"type": "mlflowModel"}, "type", "mlflow_model"),
        (OnlineDeploymentSpec, {**DEPLOYMENT, "type": "Managed"}, "type", "managed"),
        (EnvironmentSpec, {"os_type": "Linux"}, "os_type", "linux"),
    ],
)
def test_other_lists_as_azure_writes_them(kind: type[Kind], data: Any, key: str, value: str) -> None:
    assert getattr(kind.read(data, "FILE"), key) == value


@pytest.mark.parametrize("value", ["keys", "", None, 1, ["key"]])
def test_a_value_that_no_list_has_is_refused(value: Any) -> None:
    assert "auth_mode" in str(refusal(OnlineEndpointSpec, {"name": "abc", "auth_mode": value}))


def test_numbers_are_texts_where_texts_are_wanted() -> None:
    endpoint = OnlineEndpointSpec.read({"name": "abc", "tags": {"a": 1, "b": 1.5, "c": True, "d": "x"}}, "FILE")
    assert endpoint.tags == {"a": "1", "b": "1.5", "c": "true", "d": "x"}
    assert ModelSpec.read({"name": "m", "version": 3}, "FILE").version == "3"
    variables = {"environment_variables": {"OMP_NUM_THREADS": 1, "DEBUG": False}}
    deployment = OnlineDeploymentSpec.read({**DEPLOYMENT, **variables}, "FILE")
    assert deployment.environment_variables == {"OMP_NUM_THREADS": "1", "DEBUG": "false"}


@pytest.mark.parametrize("value", [None, [], {"a": 1}])
def test_what_cannot_be_a_text_is_refused(value: Any) -> None:
    assert "tags" in str(refusal(OnlineEndpointSpec, {"name": "abc", "tags": {"a": value}}))


@pytest.mark.parametrize(
    "traffic",
    [
        {"a-b": 33.3, "c-d": 66.7},
        {"abc": 33.3},
        {"abc": 101},
        {"abc": -1, "def": 101},
        {"abc": 50},
        {"abc": 50, "def": 49},
        {"abc": "many"},
        {"abc": None},
        {"x": 100},
        [100],
    ],
)
def test_shares_that_are_none(traffic: Any) -> None:
    assert "traffic" in str(refusal(OnlineEndpointSpec, {"name": "abc", "traffic": traffic}))


@pytest.mark.parametrize("traffic", [{}, {"abc": 0}, {"abc": 100}, {"abc": 90, "def": 10}, {"abc": 100, "def": 0}])
def test_shares_that_add_up(traffic: dict[str, int]) -> None:
    assert OnlineEndpointSpec.read({"name": "abc", "traffic": traffic}, "FILE").traffic == traffic


@pytest.mark.parametrize("mirror", [{"abc": 51}, {"abc": 10, "def": 10}, {"abc": 33.3}, {"abc": -1}])
def test_what_cannot_be_mirrored(mirror: Any) -> None:
    assert "mirror" in str(refusal(OnlineEndpointSpec, {"name": "abc", "mirror_traffic": mirror}))


def test_what_can_be_mirrored() -> None:
    read = OnlineEndpointSpec.read
    assert read({"name": "abc", "mirror_traffic": {"abc": 50}}, "FILE").mirror_traffic == {"abc": 50}
    assert read({"name": "abc", "mirror_traffic": {"abc": 0}}, "FILE").mirror_traffic == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instance_count", 0),
        ("instance_count", 51),
        ("instance_count", 1.5),
        ("request_settings", {"request_timeout_ms": 0}),
        ("request_settings", {"request_timeout_ms": 180_001}),
        ("request_settings", {"max_concurrent_requests_per_instance": 0}),
        ("request_settings", {"max_queue_wait_ms": -1}),
        ("liveness_probe", {"period": 0}),
    ],
)
def test_sizes_out_of_their_limits_are_refused(key: str, value: Any) -> None:
    assert key in str(refusal(OnlineDeploymentSpec, {**DEPLOYMENT, key: value}))


# -- changes -----------------------------------------------------------------------------------------------------------


def test_a_change_keeps_the_rest_and_none_is_the_default_again() -> None:
    before = OnlineEndpointSpec.read({"name": "abc", "description": "one", "tags": {"a": "b"}}, "FILE")
    assert before.changed({"description": "two"}, "a change").model_dump(exclude_unset=True) == {
        "name": "abc",
        "description": "two",
        "tags": {"a": "b"},
    }
    assert before.changed({"tags": None}, "a change").tags == {}
    assert before.tags == {"a": "b"}


def test_a_change_is_read_as_strictly_as_a_file() -> None:
    before = OnlineEndpointSpec.read({"name": "abc"}, "FILE")
    with pytest.raises(InvalidInput, match="a change is no online endpoint: there is no key 'trafic'; did you mean"):
        before.changed({"trafic": {}}, "a change")


def test_what_is_read_is_the_same_after_json() -> None:
    data = {
        **DEPLOYMENT,
        "model": {"name": "m", "version": 1, "path": "x"},
        "request_settings": {"max_queue_wait_ms": 5},
    }
    spec = OnlineDeploymentSpec.read(data, "FILE")
    assert OnlineDeploymentSpec.model_validate_json(spec.model_dump_json()) == spec
