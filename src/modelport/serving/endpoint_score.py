"""`/score` of an endpoint: the statuses and headers that Azure's router in front of a model's container answers with."""

from collections.abc import Mapping
from typing import Any

from modelport.serving.score import AZURE_STATUS, Score
from modelport.serving.scoring_route import ScoringCall

ROUTER_STATUSES = frozenset({401, 404, 408, 413, 429, 431, 503})
"""What the router says by itself; whatever else the model's container answers but 200 is 424."""

_PREDICT = 2
"""Which of the phases."""


class EndpointScore(Score):
    """``pass_client_errors``: the model's own 4xx are answered as they are."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._pass_client_errors: bool = options.pop("pass_client_errors")
        super().__init__(*arguments, **options)

    def container_status(self, error: Mapping[str, Any]) -> int | None:
        status = super().container_status(error)
        if status is not None:
            return status
        status = AZURE_STATUS.get(error["code"], 500)
        if status in ROUTER_STATUSES or (status < 500 and self._pass_client_errors):
            return None
        return status

    def answer_headers(self, call: ScoringCall) -> bytes:
        lines = super().answer_headers(call)
        phases = call.facts.get("phases")
        if phases is not None:
            lines += b"ms-azureml-model-time: %d\r\n" % round(phases[_PREDICT] / 1000)
        return lines
