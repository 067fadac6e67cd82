"""The connection of one scoring process to one worker: calls become frames, frames become answers."""

import asyncio
import re
import struct
from typing import TYPE_CHECKING, Any, cast

import orjson

from modelport.workers.call import Call
from modelport.workers.process import WorkerAddress
from modelport_runtime import wire

if TYPE_CHECKING:  # a pool is made of links
    from modelport.workers.pool import Pool

MAX_ANSWER = 1 << 31
"""Bytes an answer may have."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]..")


class Link(asyncio.Protocol):
    """The connection to one worker. Frames of one turn of the event loop leave in one write."""

    def __init__(self, pool: "Pool", address: WorkerAddress) -> None:
        self._pool = pool
        self.address = address
        self.calls: dict[int, Call] = {}
        self.retiring = False
        self.resting = address.resting
        self.late = False
        """A call ran past its deadline there, and it has said nothing since."""
        self.takes = not self.resting
        """Whether it may be given calls."""
        self.heard_at = 0.0
        self._answered = False
        self._channel = wire.Channel(MAX_ANSWER)
        self._transport: asyncio.Transport | None = None
        self._flush_planned = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, call: Call, budget: float, now: float) -> None:
        """Give the call to the worker; ``budget`` in seconds from ``now``."""
        call.link = self
        call.sent_at = now
        call.started = not (self.address.user_code or call.alone)
        self.calls[call.id] = call
        flags = wire.ALONE if call.alone else 0
        milliseconds = min(max(int(budget * 1000), 1), wire.MAX_BUDGET_MS)
        self._channel.send(wire.INFER, call.id, call.head, call.body, flags, milliseconds)
        self._plan_flush()

    def recall(self, call: Call) -> None:
        """Ask for the call back: it is dropped, and the worker says so, unless it has begun."""
        self._channel.forget(call.id)
        self._channel.send(wire.CANCEL, call.id)
        self._plan_flush()

    def cancel(self, call: Call) -> None:
        """Whatever the worker does with the call is of no interest any more."""
        if self.calls.pop(call.id, None) is not None:
            self.recall(call)

    def credit(self, call: Call) -> None:
        """The next piece of a streamed answer may come."""
        self._channel.credit(call.id)
        self._plan_flush()

    def settle(self) -> None:
        """Whether it may be given calls, now that it retires, rests, is late, or does not any more."""
        self.takes = not (self.retiring or self.resting or self.late)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._pool.loop.time()
        messages = self._channel.receive(data)
        given_back = 0
        for message in messages:
            kind = message.kind
            if kind == wire.START:
                for id in struct.unpack(f"<{len(message.body) // 8}Q", message.body):
                    if id in self.calls:
                        self.calls[id].started = True
                continue
            if kind == wire.STREAM:
                if message.id in self.calls:
                    if not self._answered:
                        self._answers()
                    self._pool.piece(self.calls[message.id], message.body)
                continue
            call = self.calls.pop(message.id, None)
            if call is None:
                continue  # answered with a time-out, or its client went away
            call.facts = _read_facts(message.head)
            if kind == wire.RESULT:
                call.answer = message.body
            else:
                call.error = call.facts["error"]
                if call.error is not None and call.error["code"] == "CANCELLED":
                    given_back += 1  # whoever reads its socket says so, even where every thread of the model hangs
                    self._pool.dropped(call)
                    continue
            if not self._answered:
                self._answers()
            self._pool.finish(call)
        if self.late and len(messages) > given_back:
            self._pool.caught_up(self)
        if self._channel.outgoing:
            self._plan_flush()

    def _answers(self) -> None:
        self._answered = True
        self._pool.on_answer(self.address.id)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._pool.lost(self)

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            self._pool.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        if self._transport is not None and not self._transport.is_closing() and self._channel.outgoing:
            self._transport.write(self._channel.take())


def _read_facts(head: bytes) -> dict[str, Any]:
    """The head of an answer. A lone surrogate, which Python's ``json`` writes and UTF-8 does not have, becomes U+FFFD."""
    try:
        facts = orjson.loads(head)
    except ValueError:
        facts = orjson.loads(_SURROGATE.sub(rb"\\ufffd", head))
    return cast(dict[str, Any], facts)
