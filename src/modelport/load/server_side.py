"""What a Modelport server says of itself: an example to send, its model's flavor, and its metrics around a level."""

import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from modelport.load.client import Reply, Unreachable, ask
from modelport.load.target import Target

PHASES = ("queue", "decode", "predict", "encode")
USER_CODE = "python_function"


@dataclass(frozen=True)
class TargetModel:
    """A model as its server's documents name it; ``flavor`` is None where the server does not say."""

    name: str
    flavor: str | None
    example: Any


@dataclass(frozen=True)
class Counters:
    """A model's counters at one moment: (count, sum) of each histogram, by its name or phase."""

    histograms: Mapping[str, tuple[float, float]]
    workers: int


@dataclass(frozen=True)
class ServerSide:
    """A level as the server saw it. Times are means of a request, in seconds.

    ``predict`` is the time of the whole predict call that a request was in; ``calls`` counts those calls.
    """

    requests: int
    inside: float
    """From the whole request to its answer."""
    decode: float
    predict: float
    encode: float
    calls: int
    rows: int
    workers: int
    seconds: float
    """How long the level took."""

    @property
    def waiting(self) -> float:
        """What a request waited: for a worker, in its queue, and while its neighbours were decoded and encoded."""
        return max(0.0, self.inside - self.decode - self.predict - self.encode)

    @property
    def joined(self) -> float:
        """Requests in a predict call."""
        return self.requests / self.calls if self.calls else 0.0

    @property
    def predict_share(self) -> float:
        """A request's own part of the predict call's time."""
        return self.predict / self.joined if self.joined else 0.0

    @property
    def work(self) -> float:
        """What a request cost by itself: decoding, its part of the predict call, encoding."""
        return self.decode + self.predict_share + self.encode

    @property
    def busy(self) -> float:
        """Share of the level that each worker worked; more than 1 where user code runs on several threads."""
        return self.requests * self.work / (self.seconds * max(1, self.workers)) if self.seconds else 0.0


class Server:
    """The server behind a target, asked for what it tells. Each answer may be None: it may be another server."""

    def __init__(self, target: Target, tls: ssl.SSLContext | None, headers: Mapping[str, str], timeout: float) -> None:
        self._target = target
        self._tls = tls
        self._headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        self._timeout = timeout
        self.locked = False
        """Whether the server wants a key before it tells of the model."""
        self.failure: Unreachable | None = None
        """Why the last question was not answered at all."""

    async def model(self) -> TargetModel | None:
        """The model behind the target's route, from the server's OpenAPI document."""
        route, where = self._target.route, self._target.document
        document = await self._json(where) if route is not None and where is not None else None
        if not isinstance(document, dict) or where is None:
            return None
        try:
            name = str(document["info"]["title"])
            content = document["paths"][route]["post"]["requestBody"]["content"]["application/json"]
        except (KeyError, TypeError):
            return None
        try:
            example = content["examples"]["example"]["value"]
        except (KeyError, TypeError):
            example = None
        about = await self._json(replace(where, path=f"/v2/models/{quote(name, safe='')}"))
        platform = about.get("platform") if isinstance(about, dict) else None
        flavor = platform.removeprefix("mlflow_") if isinstance(platform, str) else None
        return TargetModel(name, flavor, example)

    async def counters(self, model: str) -> Counters | None:
        """The model's counters now."""
        reply = await self._ask(self._target.metrics)
        return None if reply is None else read_counters(reply.body.decode("utf-8", "replace"), model)

    async def _json(self, where: Target) -> Any:
        reply = await self._ask(where)
        try:
            return None if reply is None else json.loads(reply.body)
        except ValueError:
            return None

    async def _ask(self, where: Target) -> Reply | None:
        try:
            reply = await ask(where, self._tls, self._timeout, headers=self._headers)
        except Unreachable as error:
            self.failure = error
            return None
        self.locked = self.locked or reply.status in (401, 403)
        return reply if reply.status == 200 else None


def read_counters(exposition: str, model: str) -> Counters | None:
    """The model's counters in a text of `/metrics`; None where it is no Modelport server's, or tells nothing of the model."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = {family.name: family for family in text_string_to_metric_families(exposition)}
    except (ValueError, KeyError, IndexError):
        return None
    found: dict[str, dict[str, float]] = {}
    for name in ("modelport_request_seconds", "modelport_phase_seconds", "modelport_joined_requests"):
        for part, key, value in _parts(families.get(name), model):
            found.setdefault(key, {})[part] = value
    for part, _, value in _parts(families.get("modelport_joined_rows"), model):
        found.setdefault("rows", {})[part] = value
    wanted = {"modelport_request_seconds", "modelport_joined_requests", "rows", *PHASES}
    if not wanted <= found.keys():
        return None
    memory = families.get("modelport_worker_memory_bytes")
    workers = sum(sample.labels.get("model") == model for sample in memory.samples) if memory else 0
    return Counters({key: (parts["count"], parts["sum"]) for key, parts in found.items()}, workers)


def _parts(family: Any, model: str) -> Iterable[tuple[str, str, float]]:
    """(count or sum, phase or name, value) of a histogram family's samples."""
    for sample in family.samples if family is not None else ():
        part = sample.name.removeprefix(family.name + "_")
        if sample.labels.get("model") == model and part in ("count", "sum"):
            yield part, sample.labels.get("phase", family.name), sample.value


def between(before: Counters | None, after: Counters | None, seconds: float) -> ServerSide | None:
    """What happened between two looks at the counters; None where that cannot be told, or the server began anew."""
    if before is None or after is None:
        return None
    grown = {
        key: (after.histograms[key][0] - count, after.histograms[key][1] - total)
        for key, (count, total) in before.histograms.items()
    }
    requests = int(grown["predict"][0])
    if requests <= 0 or any(count < 0 for count, _ in grown.values()):
        return None

    def mean(key: str) -> float:
        count, total = grown[key]
        return total / count if count else 0.0

    return ServerSide(
        requests=requests,
        inside=mean("modelport_request_seconds"),
        decode=mean("decode"),
        predict=mean("predict"),
        encode=mean("encode"),
        calls=int(grown["modelport_joined_requests"][0]),
        rows=int(grown["rows"][1]),
        workers=after.workers,
        seconds=seconds,
    )
