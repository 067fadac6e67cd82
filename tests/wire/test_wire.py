"""The wire: its stored samples, and what arrives however the bytes are cut."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport_runtime import wire

SAMPLES = Path(__file__).parent / "samples"

FORM = b'{"content":"json","dialect":"mlflow","policy":"lenient","answer":"json"}'
SAMPLE_MESSAGES = {
    "handshake": (wire.HANDSHAKE, 0, b'{"wire": 2}', b"", 0, 0),
    "infer": (wire.INFER, 7, FORM, b'{"inputs": [1]}', 0, 60_000),
    "infer-alone": (wire.INFER, 8, b"{}", b"x", wire.ALONE, 5),
    "start": (wire.START, 0, b"", (7).to_bytes(8, "little") + (8).to_bytes(8, "little"), 0, 0),
    "result": (wire.RESULT, 7, b'{"rows": 1, "phases": [1, 2, 3, 4]}', b'{"predictions": [1]}', 0, 0),
    "error": (wire.ERROR, 8, b'{"error": {"code": "BAD_REQUEST"}}', b"", 0, 0),
    "credit": (wire.CREDIT, 1 << 40, b"", b"", 0, 0),
    "cancel": (wire.CANCEL, 9, b"", b"", 0, 0),
    "stream": (wire.STREAM, 7, b"", b"data: 1\n\n", 0, 0),
    "stop": (wire.STOP, 0, b"", b"", 0, 0),
}


@pytest.mark.parametrize("name", SAMPLE_MESSAGES)
def test_the_bytes_of_every_kind_are_as_stored(name: str) -> None:
    channel = wire.Channel(1 << 20)
    channel.send(*SAMPLE_MESSAGES[name])
    assert channel.take().hex() == (SAMPLES / f"{name}.hex").read_text().strip(), "the wire changed: raise WIRE_VERSION"


def test_every_kind_that_carries_a_message_has_a_sample() -> None:
    kinds = {message[0] for message in SAMPLE_MESSAGES.values()}
    assert kinds | {wire.CHUNK} == set(range(wire.HANDSHAKE, wire.STREAM + 1))


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 40), max_size=60))
def test_messages_survive_any_cutting_of_the_stream(bodies: list[bytes], cuts: list[int]) -> None:
    sender, receiver = wire.Channel(1 << 20), wire.Channel(1 << 20)
    for number, body in enumerate(bodies):
        sender.send(wire.INFER, number, b"{}", body, budget_ms=number)
    stream = sender.take()
    received, start = [], 0
    for size in [*cuts, len(stream)]:
        received += receiver.receive(stream[start : start + size])
        start += size
    assert [(message.id, message.body, message.budget_ms) for message in received] == [
        (number, body, number) for number, body in enumerate(bodies)
    ]


def test_a_large_body_waits_for_credit_and_lets_others_pass() -> None:
    sender, receiver = wire.Channel(1 << 26), wire.Channel(1 << 26)
    large = bytes(range(256)) * 4096 * 10 + b"end"
    sender.send(wire.INFER, 1, b"{}", large)
    first = sender.take()
    assert len(first) < (wire.WINDOW + 1) * wire.CHUNK_SIZE
    sender.send(wire.INFER, 2, b"{}", b"small")
    messages = receiver.receive(first + sender.take())
    assert [message.id for message in messages] == [2]
    for _ in range(40):
        sender.receive(receiver.take())
        messages += receiver.receive(sender.take())
    assert [message.id for message in messages] == [2, 1]
    assert messages[1].body == large
    assert messages[1].flags == 0


def test_a_forgotten_body_leaves_nothing_behind() -> None:
    sender, receiver = wire.Channel(1 << 26), wire.Channel(1 << 26)
    sender.send(wire.INFER, 1, b"{}", bytes(wire.CHUNK_SIZE * 8))
    receiver.receive(sender.take())
    sender.forget(1)
    sender.send(wire.CANCEL, 1)
    sender.receive(receiver.take())
    assert [message.kind for message in receiver.receive(sender.take())] == [wire.CANCEL]
    assert not sender.outgoing
    sender.send(wire.INFER, 1, b"{}", b"again")
    assert receiver.receive(sender.take())[0].body == b"again"


def test_a_body_over_the_limit_is_refused() -> None:
    sender, receiver = wire.Channel(1 << 26), wire.Channel(1 << 20)
    sender.send(wire.INFER, 1, b"{}", bytes(wire.CHUNK_SIZE * 3))
    with pytest.raises(wire.WireError):
        receiver.receive(sender.take())


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(24), b"\xff" * 64])
def test_garbage_is_no_frame(garbage: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.Channel(1 << 20).receive(garbage)


def test_credit_for_no_body_is_credit_for_a_stream() -> None:
    worker, scoring = wire.Channel(1 << 20), wire.Channel(1 << 20)
    credited: list[int] = []
    worker.on_credit = credited.append
    worker.send(wire.STREAM, 7, b"", b"data: 1\n\n")
    (piece,) = scoring.receive(worker.take())
    assert (piece.kind, piece.id, piece.body) == (wire.STREAM, 7, b"data: 1\n\n")
    scoring.credit(piece.id)
    assert worker.receive(scoring.take()) == []
    assert credited == [7]
