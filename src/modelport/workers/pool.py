"""The pool of one model, as one scoring process sees it: which worker gets a request, and what happens when a worker dies.

A request that was not started is sent again. One that was started is sent again only where predicting has no side effects,
and then alone; only one that was alone when its worker died is answered with an error. User code's workers tell what they
start. A library's worker does not, for that would cost a third of its throughput: whatever it was given counts as started.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable

from modelport.workers.call import Call, Stream
from modelport.workers.link import Link
from modelport.workers.process import WorkerAddress
from modelport.workers.tally import Tally

log = logging.getLogger("modelport.pool")

WINDOW = 128
"""Requests given to one worker at a time, unless a pool is told otherwise; the others wait here, where any worker that frees
up can take them."""
LOST_GRACE = 1.0
"""Seconds after which a worker that is still said to be there, but whose connection is gone, is reported."""


_IDS = itertools.count(1)
"""Of calls. No two of a process have the same one, for a call may go from one pool to another."""


class Overloaded(Exception):
    """The queue is full."""


class Pool:
    """Gives calls to workers. ``update`` tells it which workers there are; ``on_answer`` and ``on_overrun`` tell of them."""

    def __init__(
        self,
        *,
        timeout: float,
        max_queue: int,
        retry_user_code: bool,
        on_answer: Callable[[int], None],
        on_overrun: Callable[[int], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.on_answer = on_answer
        self._on_overrun = on_overrun
        self._timeout = timeout
        self._max_queue = max_queue
        self._retry_user_code = retry_user_code
        self._window = WINDOW
        self._max_wait: float | None = None
        self._links: list[Link] = []
        self._listed: set[int] = set()
        self._updating = asyncio.Lock()
        self._queue: deque[Call] = deque()
        self._open: dict[int, Call] = {}
        """Every call not answered yet, oldest first: all have the same time-out, so the first one is due first."""
        self._tally: Tally | None = None
        self._heir: Pool | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wait_timer: asyncio.TimerHandle | None = None
        self.coming = 0
        """Calls on their way here: their bodies are being read."""

    def limit(
        self,
        *,
        timeout: float,
        max_queue: int,
        retry_user_code: bool,
        window: int | None,
        max_wait: float | None,
        tally: Tally | None = None,
    ) -> None:
        """Other limits from now on. ``window``: calls given to one worker at a time, None: as many as are good for it;
        ``max_wait``: seconds until a call that no worker was given is refused, None: until its time-out; ``tally``:
        ``max_queue`` is for all that is counted there, None: for this pool alone.

        Calls that are open already have no longer than new ones: ``_open`` stays in the order of deadlines, and the queue in
        the order of waits.
        """
        now = self.loop.time()
        if timeout < self._timeout:
            for call in self._open.values():
                call.deadline = min(call.deadline, now + timeout)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = self.loop.call_at(now, self._expire)  # which looks when it has to come again
        if max_wait is not None:
            for call in self._queue:
                call.wait_until = min(call.wait_until, now + max_wait)
            if self._wait_timer is not None:
                self._wait_timer.cancel()
                self._wait_timer = None
            self._watch_waits()
        self._timeout, self._max_queue, self._retry_user_code = timeout, max_queue, retry_user_code
        self._window, self._max_wait = WINDOW if window is None else window, max_wait
        self.count_in(tally)
        self._feed()

    def count_in(self, tally: Tally | None) -> None:
        """Count open calls there, too."""
        if tally is self._tally:
            return
        for counted, number in ((self._tally, -len(self._open)), (tally, len(self._open))):
            if counted is not None:
                counted.add(number)
        self._tally = tally

    @property
    def ready(self) -> bool:
        """Whether a worker can take a request right now."""
        return any(link.takes for link in self._links)

    @property
    def waiting(self) -> int:
        """Calls no worker has been given yet."""
        return len(self._queue)

    @property
    def open(self) -> int:
        """Calls not answered yet."""
        return len(self._open)

    @property
    def counted(self) -> int:
        """Calls that count against the limit."""
        return len(self._open) if self._tally is None else self._tally.total

    @property
    def full(self) -> bool:
        """Whether no more calls are taken, with those that are on their way here."""
        return self.counted + self.coming >= self._max_queue

    def submit(self, call: Call) -> None:
        """Have the call answered.

        Raises:
            Overloaded: as many calls as allowed are waiting.
        """
        if self._tally is None:
            if len(self._open) >= self._max_queue:
                raise Overloaded
        elif self._tally.total >= self._max_queue:
            raise Overloaded
        else:
            self._tally.add(1)
        call.id = next(_IDS)
        now = self.loop.time()
        call.deadline = now + self._timeout
        self._open[call.id] = call
        if self._timer is None:
            self._timer = self.loop.call_at(call.deadline, self._expire)
        self._dispatch(call, now)

    def cancel(self, call: Call) -> None:
        """Nobody waits for this call any more."""
        if call.id not in self._open:
            if self._heir is not None:
                self._heir.cancel(call)
            return
        if call.abandoned:
            return
        if call.link is None:
            self._forget(call)
            self._queue.remove(call)
        else:
            # It stays open until the worker says more: should it hang, the deadline still has the worker replaced.
            call.abandoned = True
            call.link.recall(call)

    def piece(self, call: Call, data: bytes) -> None:
        """More of a streamed answer: its time-out begins anew, and the next piece may come unless the client is slow."""
        stream = call.stream
        if call.abandoned or stream is None:
            return
        stream.pieces += 1
        self._prolong(call)
        stream.owed += 1
        stream.on_piece(data)
        if not stream.paused:
            self._give_credit(call, stream)

    def resume(self, call: Call) -> None:
        """The client of a streamed answer has caught up."""
        stream = call.stream
        if stream is not None and stream.paused:
            stream.paused = False
            self._prolong(call)
            self._give_credit(call, stream)

    @staticmethod
    def _give_credit(call: Call, stream: Stream) -> None:
        while stream.owed and call.link is not None:
            stream.owed -= 1
            call.link.credit(call)

    def _prolong(self, call: Call) -> None:
        """A whole time-out from now; ``_open`` stays in the order of deadlines."""
        if self._open.pop(call.id, None) is not None:
            call.deadline = self.loop.time() + self._timeout
            self._open[call.id] = call
        elif self._heir is not None:
            self._heir._prolong(call)

    def dropped(self, call: Call) -> None:
        """A worker gave the call back, not begun: nobody wants it, or another worker gets it."""
        call.error = None
        self._requeue([call])

    def finish(self, call: Call) -> None:
        """The call has its answer or error."""
        self._tell(call)
        if self._queue:
            self._feed()

    async def update(self, workers: list[WorkerAddress]) -> None:
        """Connect to new workers, let go of those that are no longer listed once their calls are done. One update after the
        other, in the order in which they came."""
        async with self._updating:
            await self._update(workers)

    async def _update(self, workers: list[WorkerAddress]) -> None:
        listed = {worker.id: worker for worker in workers}
        for link in list(self._links):
            if link.address.id not in listed:
                self._withdraw(link)
            else:
                link.resting = listed[link.address.id].resting
                link.settle()
        known, self._listed = self._listed, set(listed)
        for worker in workers:
            if worker.id not in known:
                link = Link(self, worker)
                try:
                    await self.loop.create_unix_connection(lambda link=link: link, worker.path)  # type: ignore[misc]
                except OSError as error:
                    log.warning("cannot connect to worker %d: %s", worker.id, error)
                    self.loop.call_later(LOST_GRACE, self._report_lost, worker.id)
                    continue
                self._links.append(link)
        self._feed()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._wait_timer is not None:
            self._wait_timer.cancel()
        for link in self._links:
            link.close()

    def lost(self, link: Link) -> None:
        """A worker's connection is gone: send its calls again, or answer them."""
        if not link.retiring:
            self.loop.call_later(LOST_GRACE, self._report_lost, link.address.id)
        link.retiring = True
        link.settle()
        if link in self._links:
            self._links.remove(link)
        again = []
        for call in link.calls.values():
            if not call.started:
                again.append(call)
            elif call.abandoned:
                self._forget(call)
            elif call.alone:
                self._fail(call, "WORKER_DIED", "the model's process died while it served this request alone")
            elif call.stream is not None and call.stream.pieces:
                self._fail(call, "WORKER_DIED", "the model's process died in the middle of this answer")
            elif link.address.user_code and not self._retry_user_code:
                self._fail(
                    call,
                    "WORKER_DIED",
                    "the model's process died while it served this request; "
                    "it is not repeated, because the model's own code may have had an effect",
                )
            else:
                call.alone = True
                again.append(call)
        link.calls.clear()
        self._requeue(again)

    # -- giving calls to workers -----------------------------------------------------------------------------------

    def _dispatch(self, call: Call, now: float) -> None:
        link = self._freest()
        if link is None or self._queue:
            self._queue.append(call)
            if link is not None or self._heir is not None:
                self._feed()
            if self._max_wait is not None:
                call.wait_until = now + self._max_wait
                self._watch_waits()
        else:
            link.send(call, self._timeout, now)

    def _freest(self) -> Link | None:
        links = self._links
        if len(links) == 1:
            link = links[0]
            return link if link.takes and len(link.calls) < self._window else None
        best, fewest = None, self._window
        for link in links:
            if link.takes and len(link.calls) < fewest:
                best, fewest = link, len(link.calls)
        return best

    def hand_over(self, heir: "Pool | None") -> None:
        """Nobody submits here any more: what no worker was given waits there from now on. None: they do again."""
        self._heir = heir
        self._feed()

    def _take_over(self, calls: list[Call]) -> None:
        """Calls that came before all that wait here. They have no longer than new ones, as in ``limit``."""
        now = self.loop.time()
        for call in calls:
            call.deadline = min(call.deadline, now + self._timeout)
            if self._max_wait is not None:
                call.wait_until = min(call.wait_until, now + self._max_wait)
            self._open[call.id] = call
        self._open = dict(sorted(self._open.items(), key=lambda item: item[1].deadline))
        if self._tally is not None:
            self._tally.add(len(calls))
        self._queue.extendleft(reversed(calls))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(now, self._expire)  # which looks when it has to come again
        self._watch_waits()
        self._feed()

    def _feed(self) -> None:
        if self._heir is not None and self._queue:
            calls = list(self._queue)
            self._queue.clear()
            for call in calls:
                self._forget(call)
            self._heir._take_over(calls)
        while self._queue:
            link = self._freest()
            if link is None:
                return
            call = self._queue.popleft()
            now = self.loop.time()
            link.send(call, call.deadline - now, now)

    def _requeue(self, calls: list[Call]) -> None:
        for call in reversed(calls):
            call.link = None
            call.started = False
            call.wait_until = 0.0  # a worker had it
            if call.abandoned:
                self._forget(call)
            elif call.id in self._open:
                self._queue.appendleft(call)
        self._feed()

    def _withdraw(self, link: Link) -> None:
        """No call is for this worker any more."""
        link.retiring = True
        link.settle()
        if link.calls:
            self._take_back(link)
        else:
            self._links.remove(link)
            link.close()

    def _take_back(self, link: Link) -> None:
        """What may be repeated or was not started; user code that was started may still finish there."""
        if link.address.user_code:
            for call in link.calls.values():
                if not call.started:
                    link.recall(call)  # it comes back unless it has just begun: user code must not run twice
            return
        again = list(link.calls.values())
        for call in again:
            link.cancel(call)
        self._requeue(again)

    def caught_up(self, link: Link) -> None:
        """It was late, and has said something."""
        link.late = False
        link.settle()
        self._feed()

    def _report_lost(self, worker_id: int) -> None:
        """A worker that died was taken off the list by now; one that lives without a connection is of no use to us."""
        if worker_id in self._listed and all(link.address.id != worker_id for link in self._links):
            self._on_overrun(worker_id)

    def _fail(self, call: Call, code: str, message: str) -> None:
        call.error = {"code": code, "message": message, "hint": None, "details": [], "traceback": None}
        self._tell(call)

    def _tell(self, call: Call) -> None:
        if not self._forget(call) or call.abandoned:
            return
        try:
            call.on_done(call)
        except Exception:
            log.exception("cannot answer a request")  # the others, on the same connection, still get their answers

    def _forget(self, call: Call) -> bool:
        """It is not open any more; whether it was."""
        if self._open.pop(call.id, None) is None:
            return False
        if self._tally is not None:
            self._tally.add(-1)
        return True

    # -- deadlines -------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        now = self.loop.time()
        self._timer = None
        while self._open:
            call = next(iter(self._open.values()))
            if call.deadline > now:
                self._timer = self.loop.call_at(call.deadline, self._expire)
                break
            link = call.link
            if call.stream is not None and call.stream.paused:
                self._prolong(call)
                continue
            if link is None:
                self._queue.remove(call)
            elif not _overran(call, link):
                link.cancel(call)
            else:
                link.calls.pop(call.id, None)
                if not link.retiring and not link.late:
                    link.late = True  # it is replaced; should it say something before that, it may go on meanwhile
                    link.settle()
                    self._take_back(link)
                    self._on_overrun(link.address.id)
            self._fail(call, "DEADLINE_EXCEEDED", f"no answer within {self._timeout:g} s")
        self._feed()

    def _watch_waits(self) -> None:
        if self._wait_timer is None:
            waiting = next((call for call in self._queue if call.wait_until), None)
            if waiting is not None:
                self._wait_timer = self.loop.call_at(waiting.wait_until, self._refuse_waiting)

    def _refuse_waiting(self) -> None:
        """Calls that no worker was given in time; those that a worker gave back stand in front and are passed over."""
        self._wait_timer = None
        now = self.loop.time()
        due = []
        for call in self._queue:
            if call.wait_until > now:
                break
            if call.wait_until:
                due.append(call)
        for call in due:
            self._queue.remove(call)
            self._fail(call, "REQUEST_LIMIT_EXCEEDED", "every worker is busy, and none took this request in time")
        self._watch_waits()


def _overran(call: Call, link: Link) -> bool:
    """Whether the worker is stuck, rather than busy with what came before this call.

    A library's worker takes requests in order: it is stuck when it has said nothing since it was given this one.
    """
    return call.started and (link.address.user_code or link.heard_at <= call.sent_at)
