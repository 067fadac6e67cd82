"""Traces of served models. What the real mlflow does then: tests/end_to_end/test_agents.py."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from modelport_runtime.mlflow_names import tracing
from modelport_runtime.mlflow_names.type_hints import SERVING


class Mlflow(ModuleType):
    """As much of mlflow as is asked whether it traces."""

    def __init__(self, tracking_uri_is_set: bool = False) -> None:
        super().__init__("mlflow")
        self.traces = True
        self.tracing = SimpleNamespace(disable=lambda: setattr(self, "traces", False))
        self.is_tracking_uri_set = lambda: tracking_uri_is_set


@pytest.fixture(autouse=True)
def served(monkeypatch):
    monkeypatch.setenv(SERVING, "true")
    for name in ("MLFLOW_TRACING_DESTINATION", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def still_traces(monkeypatch: pytest.MonkeyPatch, mlflow: Mlflow) -> bool:
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    tracing.stop_unless_directed()
    return mlflow.traces


def test_a_served_model_is_not_traced(monkeypatch):
    assert not still_traces(monkeypatch, Mlflow())


def test_a_model_loaded_into_somebody_s_own_process_is_left_alone(monkeypatch):
    monkeypatch.delenv(SERVING)
    assert still_traces(monkeypatch, Mlflow())


def test_it_is_traced_where_the_model_s_code_or_the_environment_says_where_to(monkeypatch):
    assert still_traces(monkeypatch, Mlflow(tracking_uri_is_set=True))
    for name in ("MLFLOW_TRACING_DESTINATION", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        with monkeypatch.context() as one:
            one.setenv(name, "somewhere")
            assert still_traces(one, Mlflow())


def test_mlflow_is_neither_needed_nor_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    tracing.stop_unless_directed()
    assert "mlflow" not in sys.modules
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))  # one that is too old to trace
    tracing.stop_unless_directed()
