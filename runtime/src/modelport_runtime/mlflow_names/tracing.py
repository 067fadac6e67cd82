"""The traces that mlflow keeps of its agents, where a model is served."""

import os
import sys

from modelport_runtime.mlflow_names.type_hints import is_serving

_WHERE_TO = ("MLFLOW_TRACING_DESTINATION", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def stop_unless_directed() -> None:
    """Switch mlflow's tracing off in a server, unless the model or the environment says where traces go.

    mlflow traces agents without being asked, into a database in the working directory: seconds for the first request,
    and minutes for every request where that directory cannot be written.
    """
    if not is_serving() or any(os.environ.get(name) for name in _WHERE_TO):
        return
    mlflow = sys.modules.get("mlflow")  # the model's code brings it, or traces nothing
    tracing = getattr(mlflow, "tracing", None)
    if tracing is not None and not mlflow.is_tracking_uri_set():  # type: ignore[union-attr]
        tracing.disable()
