"""Deployments as their users meet them: that fail, are changed under load, die, are limited, and are refused."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelport.client import Client
from modelport.domain.model import ModelSpec
from modelport.domain.states import ProvisioningState
from modelport.errors import Conflict, InvalidInput
from tests.end_to_end.conftest import EXAMPLES
from tests.end_to_end.deploying import TINY_BODY, Endpoint, X, inline, multiplying, new_endpoint, until
from tests.end_to_end.up_server import UpServer, running
from tests.support.saved import saved_by

PRICES = json.loads((EXAMPLES / "requests" / "split.json").read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpServer]:
    with running(tmp_path_factory.mktemp("up") / "home") as server:
        yield server


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models that multiply by 2 and by 3; the second takes its time to load. The third cannot be loaded."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "two": multiplying(folder / "two", 2.0),
        "three": multiplying(folder / "three", 3.0, "import time\ntime.sleep(1)"),
        "none": multiplying(folder / "none", 4.0, "raise RuntimeError('the tables are missing')"),
    }


# -- what cannot be loaded, and what is changed ------------------------------------------------------------------------


def test_what_cannot_be_loaded_fails_and_tells_why_and_can_be_mended(
    endpoint: Endpoint, client: Client, models: Path, tiny: dict[str, Path]
) -> None:
    endpoint.create(tiny["two"])
    with endpoint.load(TINY_BODY) as load:
        endpoint.begin(models / "broken", "green")
        failed = endpoint.failure("green")
        assert failed.provisioning_state == ProvisioningState.FAILED
        assert failed.error is not None
        assert "the licence file is missing" in failed.error["message"].splitlines()[0]
        story = client.get_logs(endpoint.name, "green")
        assert "Traceback" in story
        assert "RuntimeError: the licence file is missing" in story
        assert f"preparing revision 1 of {endpoint.name}/green" in client.get_logs(
            endpoint.name, "green", container="storage-initializer"
        )
        with pytest.raises(Conflict, match="green"):
            client.update_online_endpoint(endpoint.name, {"traffic": {"blue": 90, "green": 10}})
        mended = endpoint.update("green", model=inline(tiny["three"]))
        assert (mended.provisioning_state, mended.error) == (ProvisioningState.SUCCEEDED, None)
        assert endpoint.ask(X, **{"azureml-model-deployment": "green"})[1] == [{"y": 3.0}]
        client.delete_online_deployment(endpoint.name, "green")
        client.wait_until_online_deployment_is_gone(endpoint.name, "green")
    assert (load.failures, load.dropped) == ([], [])
    assert set(load.deployments) == {"blue"}


def test_one_that_failed_can_be_deleted(endpoint: Endpoint, client: Client, tiny: dict[str, Path]) -> None:
    endpoint.begin(tiny["none"])
    assert "the tables are missing" in (endpoint.failure().error or {})["message"]
    client.delete_online_deployment(endpoint.name, "blue")
    client.wait_until_online_deployment_is_gone(endpoint.name, "blue")
    assert client.list_online_deployments(endpoint.name) == []


def test_the_old_model_answers_until_the_new_one_is_ready_and_goes_on_where_it_never_is(
    endpoint: Endpoint, client: Client, tiny: dict[str, Path]
) -> None:
    endpoint.create(tiny["two"])
    answers: list[float] = []
    with endpoint.load(TINY_BODY, clients=2) as load:
        client.update_online_deployment(endpoint.name, "blue", {"model": inline(tiny["three"])})
        assert client.get_online_deployment(endpoint.name, "blue").provisioning_state == ProvisioningState.UPDATING
        end = time.monotonic() + 60
        while not answers or answers[-1] != 3.0:
            assert time.monotonic() < end
            answers.append(endpoint.ask(X)[1][0]["y"])
        assert endpoint.wait().ready_instances == 1
        until(lambda: len(endpoint.workers()) == 1)
        client.update_online_deployment(endpoint.name, "blue", {"model": inline(tiny["none"])})
        failed = endpoint.failure()
        assert endpoint.ask(X)[1] == [{"y": 3.0}]
        assert (failed.error or {})["message"].count("the tables are missing") == 1
        assert endpoint.update(model=inline(tiny["two"])).error is None
        assert endpoint.ask(X)[1] == [{"y": 2.0}]
    assert len(answers) > 10
    assert answers == sorted(answers), "a new answer, and then an old one"
    assert (load.failures, load.dropped) == ([], [])


def test_instances_are_added_and_taken_away_and_replaced_and_nothing_is_lost(
    endpoint: Endpoint, house_prices: Path
) -> None:
    endpoint.create(house_prices)
    with endpoint.load(PRICES, pause=0.001) as load:
        scaled = endpoint.update(instance_count=3)
        assert scaled.ready_instances == 3
        before = endpoint.workers()
        assert len(set(before)) == 3
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(endpoint.workers()) == 3 and before[0] not in endpoint.workers())
        endpoint.update(instance_count=1)
        until(lambda: len(endpoint.workers()) == 1)
        os.kill(endpoint.workers()[0], signal.SIGKILL)
        answered = load.deployments["blue"]
        until(lambda: load.deployments["blue"] > answered + 50)
    assert (load.failures, load.dropped) == ([], [])


# -- what a deployment says of its workers -----------------------------------------------------------------------------


def test_variables_and_size_reach_the_worker(endpoint: Endpoint, server: UpServer, client: Client) -> None:
    teller = saved_by(Path(__file__).with_name("make_untrusted.py")) / "teller"
    cores = len(os.sched_getaffinity(0))
    given: dict[str, Any] = {"GIVEN": "a=b", "NUMBER": 7, "TELLER_MODE": "loud"}
    endpoint.create(teller, instance_type="Standard_DS1_v2", environment_variables=given)
    facts = _told(endpoint)
    assert {name: facts.get(name) for name in given} == {"GIVEN": "a=b", "NUMBER": "7", "TELLER_MODE": "loud"}
    assert facts["OMP_NUM_THREADS"] == "1"
    assert _wanted(server, endpoint)["memory_limit"] == 3584 << 20
    endpoint.update(instance_type=None, environment_variables={"NUMBER": "8"})
    facts = _told(endpoint)
    assert (facts["NUMBER"], facts.get("GIVEN"), facts["OMP_NUM_THREADS"]) == ("8", None, str(cores))
    assert _wanted(server, endpoint)["memory_limit"] is None
    with pytest.raises(InvalidInput, match="no instance type 'Standard_DS3_v1'") as refused:
        client.update_online_deployment(endpoint.name, "blue", {"instance_type": "Standard_DS3_v1"})
    assert refused.value.hint == "Did you mean standard_ds3_v2?"
    with pytest.raises(InvalidInput) as refused:
        client.update_online_deployment(endpoint.name, "blue", {"instance_type": "a1000"})
    assert refused.value.hint is not None
    assert "small" in refused.value.hint
    assert _told(endpoint)["NUMBER"] == "8"


def _told(endpoint: Endpoint) -> dict[str, str]:
    status, answer = endpoint.ask({"x": [1]})
    assert status == 200, answer
    return json.loads(answer[0])["variables"]  # type: ignore[no-any-return]


def _wanted(server: UpServer, endpoint: Endpoint) -> dict[str, Any]:
    """What the supervisor is told of the endpoint's workers."""
    table = json.loads((server.home / "run" / "table.json").read_text())
    (found,) = [workers for workers in table["workers"] if workers["id"].startswith(f"{endpoint.name}/")]
    return found  # type: ignore[no-any-return]


def test_limits_hold_where_they_are_given_and_nowhere_else(endpoint: Endpoint, models: Path) -> None:
    one = {"max_concurrent_requests_per_instance": 1}
    endpoint.create(models / "sleeper", request_settings=one)
    worker = endpoint.workers()
    long, short = {"seconds": [1.0]}, {"seconds": [0.05]}
    assert sorted(endpoint.ask_at_once(3, long, apart=0.1)) == [200, 200, 429]
    endpoint.update(request_settings={**one, "max_queue_wait_ms": 200})
    assert endpoint.ask_at_once(2, long, apart=0.1) == [200, 429]
    assert endpoint.workers() == worker, "a limit of the waiting takes no other worker"
    endpoint.update(request_settings=None)
    began = time.monotonic()
    assert endpoint.ask_at_once(3, long) == [200] * 3
    assert time.monotonic() - began < 2.0, "they were answered one after the other"
    assert endpoint.ask_at_once(64, short) == [200] * 64
    endpoint.update(request_settings={"request_timeout_ms": 300})
    began = time.monotonic()
    assert endpoint.ask(long)[0] == 408
    assert time.monotonic() - began < 0.9
    until(lambda: endpoint.ask(short)[0] == 200)  # what began too much is replaced first


def test_a_time_out_that_was_made_longer_is_that_long_for_what_is_open_when_it_is_replaced(
    endpoint: Endpoint, models: Path
) -> None:
    endpoint.create(models / "sleeper", request_settings={"request_timeout_ms": 100})
    endpoint.update(request_settings={"request_timeout_ms": 20_000})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(
            endpoint.ask, {"seconds": [7.0]}
        )  # longer than the first time-out and what is allowed beyond it
        time.sleep(0.2)
        endpoint.update(environment_variables={"NEW": "1"})
        assert asked.result()[0] == 200


def test_an_instance_that_is_not_ready_is_given_nothing_and_comes_back(
    endpoint: Endpoint, client: Client, tmp_path: Path
) -> None:
    endpoint.create(_holding(tmp_path / "holding"), instance_count=2)
    workers = endpoint.workers()

    def ready() -> int:
        return client.get_online_deployment(endpoint.name, "blue").ready_instances

    probe = {"initial_delay": 1, "period": 1, "timeout": 1, "failure_threshold": 1}
    endpoint.update(readiness_probe=probe)
    assert sorted(endpoint.workers()) == sorted(workers), "other looks take no other workers"
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(endpoint.ask, {"x": [8.0]})
        until(lambda: ready() == 1)
        began = time.monotonic()
        assert endpoint.ask_at_once(16, {"x": [0.0]}) == [200] * 16
        assert time.monotonic() - began < 2.0, "one of them waited for the instance that is not ready"
        assert not held.done()
        also_held = pool.submit(endpoint.ask, {"x": [4.0]})
        until(lambda: ready() == 0)
        assert endpoint.ask({"x": [0.0]})[0] == 200, "it waits for the first that is ready"
        assert held.result()[0] == also_held.result()[0] == 200
    until(lambda: ready() == 2)
    assert sorted(endpoint.workers()) == sorted(workers)


def _holding(folder: Path) -> Path:
    """A model that takes no notice of anything for as many seconds as it is told."""
    model = multiplying(folder, 1.0)
    loader = model / "code" / "tiny_loader.py"
    held = "        import ctypes\n        ctypes.PyDLL(None).usleep(int(data['x'].max() * 1e6) or 1)\n"
    loader.write_text(loader.read_text().replace("        return (data", held + "        return (data"))
    (model / "factor.json").write_text('{"factor": 0.0}')
    return model


def test_a_limit_is_for_all_scoring_processes_together(models: Path, tmp_path: Path) -> None:
    with running(tmp_path / "home", "--scoring-processes", "3") as server, server.client() as client:
        endpoint = new_endpoint(server, client)
        endpoint.create(models / "sleeper", request_settings={"max_concurrent_requests_per_instance": 2})
        assert sorted(endpoint.ask_at_once(12, {"seconds": [1.5]}, apart=0.05)) == [200] * 4 + [429] * 8
        assert endpoint.ask_at_once(4, {"seconds": [0.1]}, apart=0.02) == [200] * 4


# -- models ------------------------------------------------------------------------------------------------------------


def test_a_model_without_a_name_is_registered_and_the_same_content_is_kept_once(
    endpoint: Endpoint, server: UpServer, client: Client, tmp_path: Path
) -> None:
    model = multiplying(tmp_path / "model", 5.0)

    def copies() -> set[str]:
        return {path.name for path in (server.home / "models").iterdir()}

    before = copies()
    blue = endpoint.create(model)
    green = endpoint.create(model, "green")
    assert blue.model == green.model
    assert isinstance(blue.model, str)
    assert blue.model.startswith("azureml:model-")
    assert len(copies() - before) == 1
    name = blue.model.split(":")[1]
    assert [found.version for found in client.list_models(name)] == ["1"]
    assert endpoint.ask(X)[1] == [{"y": 5.0}]


def test_a_reference_is_to_its_version_whatever_came_later(
    endpoint: Endpoint, client: Client, tiny: dict[str, Path]
) -> None:
    for key in ("two", "three"):
        client.create_model(ModelSpec(name="factors", path=str(tiny[key]), type="mlflow_model"))
    assert endpoint.create("azureml:factors:1").model == "azureml:factors:1"
    assert endpoint.ask(X)[1] == [{"y": 2.0}]
    assert endpoint.update(model="azureml:factors@latest").model == "azureml:factors:2"
    assert endpoint.ask(X)[1] == [{"y": 3.0}]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"code_configuration": {"code": ".", "scoring_script": "score.py"}}, "code_configuration cannot be honoured"),
        ({"type": "kubernetes"}, "type: kubernetes cannot be honoured"),
        ({"resources": {"requests": {"cpu": "1"}}}, "resources cannot be honoured"),
        ({"scale_settings": {"type": "target_utilization"}}, "scale_settings cannot be honoured"),
        ({"data_collector": {"collections": {}}}, "data_collector cannot be honoured"),
        ({"model_mount_path": "/var/models"}, "model_mount_path cannot be honoured"),
        ({"instance_cuont": 2}, "there is no key 'instance_cuont'; did you mean 'instance_count'?"),
        ({"request_settings": {"request_timeout": 5}}, "did you mean 'request_timeout_ms'?"),
        ({"instance_count": 0}, "instance_count"),
        ({"model": "prices"}, "'prices' is no reference"),
        ({"model": None}, "has no model"),
        ({"model": "azureml:nothing:1"}, "there is no model 'nothing'"),
        ({"environment": "azureml:nothing@latest"}, "there is no environment 'nothing'"),
        ({"name": "x"}, "3 to 32 characters"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_honoured_is_refused_by_the_server(
    refusing: Endpoint, client: Client, more: dict[str, Any], wanted: str
) -> None:
    where = f"/api/v1/online-endpoints/{refusing.name}/deployments/{more.get('name', 'green')}"
    whole = {"name": "green", "endpoint_name": refusing.name, "model": "azureml:refused:1", **more}
    headers = {"Authorization": f"Bearer {refusing.server.key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(refusing.server.url + where, json.dumps(whole).encode(), headers, method="PUT")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=20).close()
    with refused.value as answer:
        assert answer.code == (404 if "there is no environment" in wanted or "there is no model" in wanted else 400)
        assert wanted in json.load(answer)["message"]
    assert client.list_online_deployments(refusing.name) == []


@pytest.fixture(scope="module")
def refusing(server: UpServer, client: Client, tiny: dict[str, Path]) -> Endpoint:
    """An endpoint, and a model of the name ``refused``."""
    client.create_model(ModelSpec(name="refused", path=str(tiny["two"]), type="mlflow_model"))
    return new_endpoint(server, client)


def test_a_model_without_an_mlmodel_file_is_refused(refusing: Endpoint, client: Client, tiny: dict[str, Path]) -> None:
    client.create_model(ModelSpec(name="custom", path=str(tiny["two"] / "code"), type="custom_model"))
    with pytest.raises(InvalidInput, match="custom_model") as refused:
        refusing.begin("azureml:custom:1")
    assert "mlflow_model" in (refused.value.hint or "")
