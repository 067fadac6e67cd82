"""Which numbers lead to which advice, and what it says."""

from typing import Any

import pytest

from modelport.load.advice import Circumstances, Level, advice
from modelport.load.level import Measured
from modelport.load.server_side import ServerSide

LIBRARY = Circumstances("sklearn", "dataframe_split", 20_000, cores=8)
USER_CODE = Circumstances("python_function", "dataframe_split", 20_000, cores=8)


def measured(concurrency: int = 64, rate: int = 1000, latency: float = 0.01, **changed: Any) -> Measured:
    known: dict[str, Any] = {"errors": {}, "sample": None, "client_cpu": 0.3, "idle": 0.5, **changed}
    return Measured(concurrency=concurrency, seconds=1.0, latencies=[latency] * rate, **known)


def server(**changed: Any) -> ServerSide:
    """A server at leisure, unless told otherwise: its worker works 25 % of the time."""
    known: dict[str, Any] = {
        "requests": 1000,
        "inside": 0.008,
        "decode": 0.00005,
        "predict": 0.001,
        "encode": 0.00005,
        "calls": 150,
        "rows": 1000,
        "workers": 1,
        "seconds": 1.0,
        **changed,
    }
    return ServerSide(**known)


FULL = server(inside=0.009, predict=0.008, calls=100)
CALM = Level(measured(1), server(inside=0.002, predict=0.001, calls=1000))


@pytest.mark.parametrize(
    ("levels", "known", "topics"),
    [
        ([], LIBRARY, []),
        ([Level(measured(), server())], LIBRARY, []),
        ([Level(measured(), None)], LIBRARY, []),
        # the worker is the narrow place
        ([Level(measured(), FULL)], LIBRARY, ["workers"]),
        ([Level(measured(concurrency=1), FULL)], LIBRARY, []),
        ([Level(measured(), FULL)], Circumstances("sklearn", "inputs", 20_000, cores=1), ["cores"]),
        ([Level(measured(idle=0.05), FULL)], Circumstances("sklearn", "inputs", 20_000, cores=2), ["cores"]),
        ([Level(measured(idle=None), FULL)], Circumstances("sklearn", "inputs", 20_000, cores=None), ["workers"]),
        # each predict call holds one request
        ([Level(measured(), server(predict=0.0008, calls=1000))], LIBRARY, ["workers", "joining"]),
        ([Level(measured(), server(predict=0.0008, calls=1000, workers=2))], LIBRARY, []),
        # user code
        ([CALM, Level(measured(), server(predict=0.003, calls=1000))], USER_CODE, ["workers"]),
        ([CALM, Level(measured(), server(predict=0.001, calls=1000))], USER_CODE, ["threads"]),
        ([CALM, Level(measured(), server(predict=0.002, inside=0.0025, calls=1000))], USER_CODE, []),
        ([Level(measured(), server(predict=0.007, calls=1000))], USER_CODE, []),
        # reading the body
        ([Level(measured(), server(decode=0.0004))], Circumstances("sklearn", "dataframe_split", 9_999, cores=8), []),
        ([Level(measured(), server(decode=0.0004))], LIBRARY, ["decoding"]),
        ([Level(measured(), server(decode=0.0004))], Circumstances("sklearn", "application/json", 20_000, cores=8), []),
        ([Level(measured(), server(decode=0.0001))], LIBRARY, []),
        # HTTP is the narrow place
        ([Level(measured(latency=0.02), server())], LIBRARY, ["processes"]),
        ([Level(measured(latency=0.02, concurrency=4), server())], LIBRARY, []),
        ([Level(measured(latency=0.02), server())], Circumstances("sklearn", "inputs", 20_000, cores=None), []),
        ([Level(measured(latency=0.02, client_cpu=0.97), server())], LIBRARY, ["client"]),
        # the machine is
        ([Level(measured(latency=0.02, idle=0.01), server())], LIBRARY, ["machine"]),
        # answers that are errors
        ([Level(measured(errors={"429": 3}), server())], LIBRARY, ["queue"]),
        ([Level(measured(errors={"503": 3, "504": 1}), None)], LIBRARY, ["timeout", "unready"]),
        ([Level(measured(rate=0, errors={"500": 9}), None)], LIBRARY, []),
        # more connections that bring nothing
        ([Level(measured(8), None), Level(measured(64, latency=0.08), None)], LIBRARY, ["concurrency"]),
        ([Level(measured(8, rate=100), None), Level(measured(64, latency=0.08), None)], LIBRARY, []),
    ],
)
def test_the_numbers_decide_what_is_advised(levels: list[Level], known: Circumstances, topics: list[str]) -> None:
    assert [piece.topic for piece in advice(levels, known)] == topics


@pytest.mark.parametrize(
    ("level", "known", "said"),
    [
        (
            Level(measured(), FULL),
            LIBRARY,
            "The worker worked 90% of the time at 64 connections, and a request waited 0.9 ms of its 9 ms: try -w 2.",
        ),
        (
            Level(measured(), FULL),
            Circumstances("sklearn", "inputs", 20_000, cores=1),
            "there are as many workers as cores (1)",
        ),
        (
            Level(measured(errors={"429": 3}), None),
            LIBRARY,
            "3 of 1003 requests at 64 connections got 429: more were open than --max-queue allows",
        ),
        (
            Level(measured(), server(decode=0.0004)),
            Circumstances("sklearn", "dataframe_records", 20_000, cores=8),
            "Reading the body took 0.4 ms at 64 connections, 67% of the work for a request: dataframe_split names the",
        ),
        (Level(measured(latency=0.02), server()), LIBRARY, "a request took 20 ms, of which only 8 ms in the server's"),
        (Level(measured(client_cpu=0.97), None), LIBRARY, "This client used 97% of a core at 64 connections"),
    ],
)
def test_advice_names_the_numbers_it_rests_on(level: Level, known: Circumstances, said: str) -> None:
    assert said in " ".join(piece.text for piece in advice([level], known))


def test_workers_are_never_advised_beyond_the_cores() -> None:
    busy = server(inside=0.009, predict=0.008, calls=400, workers=3)
    [piece] = advice([Level(measured(), busy)], Circumstances("sklearn", "inputs", 20_000, cores=4))
    assert piece.text.endswith("try -w 4.")
