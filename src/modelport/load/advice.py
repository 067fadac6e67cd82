"""What to change, by plain rules on what was measured. Each piece of advice names the numbers it rests on."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelport.load.level import Measured
from modelport.load.server_side import USER_CODE, ServerSide

CLIENT_FULL = 0.9
"""Share of a core from which on the client may have been the limit: it has one thread."""
WORKER_FULL = 0.7
"""Share of the time a worker works from which on it is the narrow place; the rest goes to reading and writing."""
FRONT_FULL = 0.5
"""Share of a request's time outside the server's own from which on HTTP is the narrow place."""
CORES_FULL = 0.1
"""Idle share of the cores below which another process would only take time from the others."""
LEVEL_ENOUGH = 0.9
"""A level that gives this share of the best one's answers, with fewer connections, is as good."""
DECODE_HEAVY = 0.4
"""Share of a request's own work from which on reading it is what to shorten."""
LARGE_BODY = 10_000
"""Bytes of a body below which reading it is mostly the fixed cost of making a table, whatever the body's form."""
_FASTEST = "Arrow and tensors as bytes at /v2"
FASTER = {
    "dataframe_records": f"dataframe_split names the columns once; {_FASTEST} are read faster still",
    "dataframe_split": f"{_FASTEST} are read faster",
    "inputs": f"a table is read faster as dataframe_split; {_FASTEST} are read fastest",
    "instances": f"a table is read faster as dataframe_split; {_FASTEST} are read fastest",
    "text/csv": f"dataframe_split is read faster; {_FASTEST} are read fastest",
}
"""Form of a body → what to send instead where reading it is the work."""
CROWDED = 8
"""Connections from which on requests can pile up enough to be joined."""
WAITING_LONG = 0.5
"""Share of a request's time in the server that it waits, from which on the wait is what to shorten."""
SLOWED = 1.5
"""How many times longer user code works on a request under load before its threads are said to wait for one another."""


@dataclass(frozen=True)
class Level:
    """A level from both sides; ``server`` is None where the server tells nothing."""

    measured: Measured
    server: ServerSide | None


@dataclass(frozen=True)
class Circumstances:
    """What else the rules look at. ``cores`` are those of the server's machine, where that is this one."""

    flavor: str | None
    body: str
    """The form of the body: ``dataframe_records``, ``inputs``, …, or its content type."""
    body_size: int
    cores: int | None


@dataclass(frozen=True)
class Advice:
    """One sentence or two; ``topic`` is its stable name."""

    topic: str
    text: str


def advice(levels: list[Level], known: Circumstances) -> list[Advice]:
    """What the levels say, the most certain first."""
    ran = [level for level in levels if level.measured.answers or level.measured.failed]
    if not ran:
        return []
    busiest = max(ran, key=lambda level: level.measured.concurrency)
    found = [*_errors(ran), *_client(busiest), *_machine(busiest, known), *_best_level(ran)]
    limited = any(piece.topic == "client" for piece in found)
    if busiest.server is not None and busiest.measured.answers:
        found += _workers(ran, busiest.measured, busiest.server, known)
        found += _joining(busiest.measured, busiest.server, known)
        found += _decoding(min(ran, key=lambda level: level.measured.concurrency), known)
        if not limited:
            found += _front(busiest.measured, busiest.server, known)
    return found


def _errors(levels: list[Level]) -> Iterator[Advice]:
    for status, topic, what in (
        ("429", "queue", "more were open than --max-queue allows: raise it, or answer faster with more workers (-w)"),
        (
            "504",
            "timeout",
            "they took longer than the server's --timeout: more workers (-w) shorten the wait before them",
        ),
        ("503", "unready", "no worker was ready: look at the server's log for workers that died"),
    ):
        worst = max(levels, key=lambda level: level.measured.errors.get(status, 0)).measured
        count = worst.errors.get(status, 0)
        if count:
            total = worst.answers + worst.failed
            yield Advice(topic, f"{count} of {total} requests at {_connections(worst)} got {status}: {what}.")


def _client(level: Level) -> Iterator[Advice]:
    used = level.measured.client_cpu
    if used >= CLIENT_FULL:
        yield Advice(
            "client",
            f"This client used {used:.0%} of a core at {_connections(level.measured)}: the server may be faster than is "
            "shown. Several clients at once, or one written in C such as wrk, can tell.",
        )


def _machine(level: Level, known: Circumstances) -> Iterator[Advice]:
    measured, server = level.measured, level.server
    if known.cores is None or server is None or measured.idle is None or measured.idle >= CORES_FULL:
        return
    workers = server.busy * max(1, server.workers)
    if measured.client_cpu + workers < known.cores / 2:
        yield Advice(
            "machine",
            f"This machine's cores were {1 - measured.idle:.0%} busy at {_connections(measured)}, though the workers worked "
            f"{workers:.0%} of a core and this client {measured.client_cpu:.0%}: other programs, or the HTTP side, had the "
            "rest. Measure when nothing else runs.",
        )


def _best_level(levels: list[Level]) -> Iterator[Advice]:
    rates = sorted((level.measured for level in levels), key=lambda measured: measured.concurrency)
    best = max(measured.rate for measured in rates)
    enough = next(measured for measured in rates if measured.rate >= LEVEL_ENOUGH * best)
    most = rates[-1]
    before, after = enough.percentile(0.5), most.percentile(0.5)
    if enough is not most and before is not None and after is not None and after > 2 * before:
        yield Advice(
            "concurrency",
            f"{_connections(enough).capitalize()} gave {enough.rate:,.0f} answers/s, {most.concurrency} gave "
            f"{most.rate:,.0f}/s and raised p50 from {_ms(before)} to {_ms(after)}: more at once only wait longer.",
        )


def _workers(levels: list[Level], measured: Measured, server: ServerSide, known: Circumstances) -> Iterator[Advice]:
    waits = server.waiting > WAITING_LONG * server.inside
    if known.flavor == USER_CODE:
        calm = min(levels, key=lambda level: level.measured.concurrency)
        if calm.server is None or calm.measured is measured:
            return  # how much the threads hold one another up is seen beside a calmer level only
        slower = server.work / calm.server.work if calm.server.work else 1.0
        if slower < SLOWED or not waits:
            if waits and server.busy >= WORKER_FULL:
                yield _threads(measured, server)
            return
        reason = (
            f"A request's own work took {_ms(calm.server.work)} at {_connections(calm.measured)} and {_ms(server.work)} at "
            f"{measured.concurrency}, where it waited {_ms(server.waiting)} more: the model's threads wait for one another"
        )
    elif server.busy >= WORKER_FULL and measured.concurrency > server.workers:
        has = "The worker" if server.workers == 1 else f"Each of the {server.workers} workers"
        reason = (
            f"{has} worked {min(1.0, server.busy):.0%} of the time at {_connections(measured)}, and a request waited "
            f"{_ms(server.waiting)} of its {_ms(server.inside)}"
        )
    else:
        return
    if known.cores is not None and server.workers >= known.cores:
        yield Advice(
            "cores", f"{reason}; there are as many workers as cores ({known.cores}), so more of them need more cores."
        )
    elif measured.idle is not None and measured.idle < CORES_FULL:
        yield Advice(
            "cores",
            f"{reason}; but only {measured.idle:.0%} of this machine's cores was idle, this client among what ran: "
            "another worker helps where there are more cores.",
        )
    else:
        wanted = 2 * server.workers if known.cores is None else min(2 * server.workers, known.cores)
        yield Advice("workers", f"{reason}: try -w {wanted}.")


def _threads(measured: Measured, server: ServerSide) -> Advice:
    return Advice(
        "threads",
        f"At {_connections(measured)} a request waited {_ms(server.waiting)} of its {_ms(server.inside)} while "
        f"{server.busy:.1f} predictions ran at once in a worker, none the slower for it: raise --threads if the model's "
        "code may run so often at once, else the workers (-w).",
    )


def _joining(measured: Measured, server: ServerSide, known: Circumstances) -> Iterator[Advice]:
    crowded = measured.concurrency >= CROWDED * max(1, server.workers)
    if known.flavor in (None, USER_CODE) or not crowded or server.joined > 1.05 or server.busy < WORKER_FULL:
        return
    yield Advice(
        "joining",
        f"At {_connections(measured)} each predict call held one request: this model's requests are not joined. "
        "docs/tuning.md names the conditions; an input example saved with the model is one.",
    )


def _decoding(level: Level, known: Circumstances) -> Iterator[Advice]:
    server = level.server
    if server is None or known.body_size < LARGE_BODY or server.decode < DECODE_HEAVY * server.work:
        return
    instead = FASTER.get(known.body)
    if instead is not None:
        yield Advice(
            "decoding",
            f"Reading the body took {_ms(server.decode)} at {_connections(level.measured)}, "
            f"{server.decode / server.work:.0%} of the work for a request: {instead}.",
        )


def _front(measured: Measured, server: ServerSide, known: Circumstances) -> Iterator[Advice]:
    mean = measured.mean
    if known.cores is None or mean is None or measured.concurrency < CROWDED or server.busy >= WORKER_FULL:
        return
    outside = mean - server.inside
    if outside < FRONT_FULL * mean or (measured.idle is not None and measured.idle < CORES_FULL):
        return
    yield Advice(
        "processes",
        f"At {_connections(measured)} a request took {_ms(mean)}, of which only {_ms(server.inside)} in the server's hands, "
        f"and its workers worked {server.busy:.0%} of the time: try --processes 2 (one more than there are).",
    )


def _connections(measured: Measured) -> str:
    return "1 connection" if measured.concurrency == 1 else f"{measured.concurrency} connections"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
