"""A whole benchmark: find a body, ask once, then put level after level of load on the target, and draw conclusions."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import uvloop

from modelport.errors import InvalidInput, ModelportError
from modelport.load.advice import Advice, Circumstances, Level, advice
from modelport.load.client import Connection, Reply, ask, connect, request_bytes
from modelport.load.level import Load, Measured, Watch, cores, measure
from modelport.load.server_side import Server, TargetModel, between
from modelport.load.target import Target

JSON = "application/json"
MAX_DURATION = 60.0
"""Seconds a level may last: this is a look at one's own server, no soak test."""
MAX_CONCURRENCY = 512
"""Connections at once: each is a file of this process, and 1024 files are what systems commonly allow."""
MAX_LEVELS = 10
SHOWN = 200
"""Characters of the first answer that are shown."""


class RequestFailed(ModelportError):
    """The endpoint does not answer the request with 200, so there is nothing to measure."""

    code = "REQUEST_FAILED"


@dataclass(frozen=True)
class Plan:
    """What is to be measured. ``body`` is None: take the model's own example from the server."""

    target: Target
    body: bytes | None
    content_type: str
    headers: Mapping[str, str]
    levels: tuple[int, ...] = (1, 8, 64)
    duration: float = 5.0
    requests: int | None = None
    timeout: float = 30.0
    body_from: str = "the file"

    def __post_init__(self) -> None:
        if not self.levels or len(self.levels) > MAX_LEVELS:
            raise InvalidInput(f"{len(self.levels)} levels were asked for; there may be 1 to {MAX_LEVELS}")
        for level in self.levels:
            if not 1 <= level <= MAX_CONCURRENCY:
                raise InvalidInput(f"{level} connections were asked for; a level may have 1 to {MAX_CONCURRENCY}")
        if not 0 < self.duration <= MAX_DURATION:
            raise InvalidInput(f"{self.duration:g} s were asked for; a level may last up to {MAX_DURATION:g} s")


@dataclass(frozen=True)
class Report:
    """What came of a plan. ``interrupted``: it was ended early, and the last level is short."""

    plan: Plan
    model: TargetModel | None
    body_size: int
    body_from: str
    levels: list[Level]
    advice: list[Advice]
    interrupted: bool


Ready = Callable[[Reply], None]
"""Told of the first answer, before the load begins."""


def run(plan: Plan, on_ready: Ready, watch: Watch) -> Report:
    """Do what the plan says; Ctrl-C ends it in order. Raises Unreachable, RequestFailed or InvalidInput."""
    report: Report = uvloop.run(_run(plan, on_ready, watch))
    return report


async def _run(plan: Plan, on_ready: Ready, watch: Watch) -> Report:
    tls = plan.target.tls()
    (await connect(plan.target, tls, plan.timeout, lambda: Connection(_ignore, _ignore))).close()  # or say why not
    server = Server(plan.target, tls, plan.headers, min(plan.timeout, 10.0))
    model = await server.model()
    body, came_from = (plan.body, plan.body_from) if plan.body is not None else _example(plan, server, model)
    headers = {"content-type": plan.content_type, **plan.headers}
    first = await ask(plan.target, tls, plan.timeout, "POST", headers, body)
    if first.status != 200:
        raise _refused(plan, first)
    on_ready(first)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    request = request_bytes(plan.target, "POST", headers, body)
    load = Load(plan.target, tls, request, plan.duration, plan.requests, plan.timeout)
    levels: list[Level] = []
    try:
        for concurrency in plan.levels:
            if not stop.is_set():
                levels.append(await _level(load, concurrency, server, model, stop, watch))
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    known = Circumstances(
        flavor=model.flavor if model is not None else None,
        body=form_of(body, headers["content-type"]),
        body_size=len(body),
        cores=cores() if plan.target.is_loopback else None,
    )
    return Report(plan, model, len(body), came_from, levels, advice(levels, known), stop.is_set())


def _ignore(connection: Connection) -> None:
    pass


async def _level(
    load: Load, concurrency: int, server: Server, model: TargetModel | None, stop: asyncio.Event, watch: Watch
) -> Level:
    before = await server.counters(model.name) if model is not None else None
    measured: Measured = await measure(load, concurrency, stop, watch)
    after = await server.counters(model.name) if before is not None and model is not None else None
    return Level(measured, between(before, after, measured.seconds))


def _example(plan: Plan, server: Server, model: TargetModel | None) -> tuple[bytes, str]:
    """The example that the server's own document has for this route."""
    if model is not None and model.example is not None:
        return json.dumps(model.example).encode(), "the server's example"
    if server.failure is not None:
        raise server.failure
    if server.locked:
        raise RequestFailed(f"{plan.target.authority} wants a key", hint="give the endpoint's key with --api-key")
    tells = "has no example for this model" if model is not None else "has no OpenAPI document with an example"
    raise InvalidInput(
        f"nothing to send: {plan.target.authority} {tells}",
        hint="give a body with -i FILE, or a model directory whose input example to send with -m MODEL",
    )


def _refused(plan: Plan, reply: Reply) -> RequestFailed:
    """The error of a first request that was not answered with 200, with what the server says."""
    text = reply.body.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError):
        document = json.loads(text)
        if isinstance(document, dict):
            said = document.get("message") or document.get("error") or document.get("detail")
            text = str(said) if said else text
    hint = {
        401: "give the endpoint's key with --api-key",
        403: "give the endpoint's key with --api-key",
        404: f"a Modelport server answers at /invocations, /models/NAME/invocations, /score; asked was {plan.target.path}",
        415: "name the body's kind with --content-type",
    }.get(reply.status, "a body of your own can be given with -i FILE" if plan.body is None else None)
    message = f"{plan.target} answered {reply.status}: {shortened(text, 600) or '(nothing)'}"
    return RequestFailed(message, hint=hint)


def form_of(body: bytes, content_type: str) -> str:
    """How the body holds its data: MLflow's key in JSON, else the content type."""
    mime = content_type.partition(";")[0].strip().lower()
    if mime != JSON:
        return mime
    try:
        document = json.loads(body)
    except ValueError:
        return mime
    keys = document.keys() if isinstance(document, dict) else ()
    return next((key for key in ("dataframe_records", "dataframe_split", "inputs", "instances") if key in keys), mime)


def shortened(text: str, most: int = SHOWN) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
