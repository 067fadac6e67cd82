"""The sets of workers: those that the table names are started, those that it names no more are ended in order."""

import asyncio
import itertools
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from modelport.errors import ModelportError, WorkerFailed
from modelport.serving.routing_table import Row
from modelport.supervisor.log_file import LogFile
from modelport.supervisor.probes import watch_liveness, watch_readiness
from modelport.supervisor.scoring import ScoringProcesses
from modelport.supervisor.table import Report, WantedWorkers
from modelport.workers.process import WorkerAddress, WorkerSet
from modelport.workers.specification import WorkerSpec
from modelport.workers.turns import Turns

log = logging.getLogger("modelport.supervisor")

RELEASE_GRACE = 5.0
"""Seconds beyond a set's own time-out that scoring processes have to say that nothing of it is open."""
KILLED_STARTS = 2
"""First starts that may end by a signal before the set has failed."""
LOG_INTERVAL = 5.0
"""Seconds between two looks at the size of a log file."""


class AllWorkers:
    """All sets. ``on_report`` is called with what became of one; ``longest_start``: seconds that a first start may take."""

    def __init__(
        self, folder: Path, scoring: ScoringProcesses, on_report: Callable[[Report], None], longest_start: float
    ) -> None:
        self._folder = folder
        self._scoring = scoring
        self._on_report = on_report
        self._ids = itertools.count(1)
        self._turns = Turns(len(os.sched_getaffinity(0)))
        self._longest_start = longest_start
        self._wanted: dict[str, WantedWorkers] = {}
        self._sets: dict[str, _Set] = {}
        self._endings: dict[str, asyncio.Task[None]] = {}

    def start(self, wanted: list[WantedWorkers]) -> None:
        """Start what is new, in the order of the table, and have each of the other sets as it is wanted now."""
        self._wanted = {each.id: each for each in wanted}
        for each in wanted:
            if each.id in self._endings:
                continue  # it is wanted again, once it has gone
            if each.id in self._sets:
                self._sets[each.id].change(each)
            else:
                self._start(each)

    def end_others(self) -> None:
        """End what is not wanted any more; scoring processes have been told."""
        for id in self._sets:
            if id not in self._wanted and id not in self._endings:
                self._endings[id] = asyncio.ensure_future(self._end(id))

    def reports(self) -> list[Report]:
        """What there is of each set."""
        return [each.report() for each in self._sets.values()]

    def answered(self, worker_id: int) -> None:
        """This worker gave its first answer."""
        for each in self._sets.values():
            each.answered(worker_id)

    def overrun(self, worker_id: int) -> None:
        """A request ran past its deadline in this worker."""
        for each in self._sets.values():
            each.overrun(worker_id)

    def longest_timeout(self) -> float:
        """Seconds after which nothing that is open now is waited for."""
        return max((each.wanted.timeout for each in self._sets.values()), default=0.0)

    async def stop(self) -> None:
        """End all of them at once."""
        for ending in self._endings.values():
            ending.cancel()
        await asyncio.gather(*self._endings.values(), return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self._sets.values()))

    def _start(self, wanted: WantedWorkers) -> None:
        new = self._sets[wanted.id] = _Set(
            wanted,
            self._folder,
            self._ids,
            self._turns,
            self._longest_start,
            self._scoring.publish,
            self._on_report,
        )
        new.begin()

    async def _end(self, id: str) -> None:
        ended = self._sets[id]
        await ended.give_up_starting()
        await self._scoring.release(id, ended.wanted.timeout + RELEASE_GRACE)
        await ended.stop()
        del self._sets[id], self._endings[id]
        log.info("%s is gone", id)
        self._on_report(Report(id, "gone"))
        if id in self._wanted:
            self._start(self._wanted[id])


class _Set:
    """One set from its start to its end. ``on_row`` is told of its workers before ``on_report`` is."""

    def __init__(
        self,
        wanted: WantedWorkers,
        folder: Path,
        ids: Iterator[int],
        turns: Turns,
        longest_start: float,
        on_row: Callable[[Row], None],
        on_report: Callable[[Report], None],
    ) -> None:
        self.wanted = wanted
        self._folder, self._ids, self._turns, self._longest_start = folder, ids, turns, longest_start
        self._on_row, self._on_report = on_row, on_report
        self._state: Literal["starting", "ready", "failed"] = "starting"
        self._error: dict[str, Any] | None = None
        self._facts: dict[str, Any] = {}
        self._present: list[WorkerAddress] = []
        self._resting: frozenset[int] = frozenset()
        self._log: LogFile | None = None
        self._workers: WorkerSet | None = None
        self._start: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []
        self._readiness: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the workers."""
        self._on_report(self.report())
        self._start = asyncio.ensure_future(self._begin())

    def change(self, wanted: WantedWorkers) -> None:
        """Have as many workers as it says now, and give nothing to those that it says are not ready."""
        before, self.wanted = self.wanted, wanted
        if self._workers is not None:
            self._workers.resize(wanted.count)
            if self._watching and wanted.readiness != before.readiness:
                self._watch_readiness(self._workers)

    def report(self) -> Report:
        """What there is of it now."""
        return Report(
            self.wanted.id,
            self._state,
            ready=sum(worker.id not in self._resting for worker in self._present),
            pids=[worker.pid for worker in self._present],
            restarts=0 if self._workers is None else self._workers.restarts,
            facts=self._facts,
            error=self._error,
        )

    def answered(self, worker_id: int) -> None:
        if self._workers is not None:
            self._workers.answered(worker_id)

    def overrun(self, worker_id: int) -> None:
        if self._workers is not None:
            self._workers.overrun(worker_id)

    async def give_up_starting(self) -> None:
        """If it has not ended, nothing is left of it."""
        if self._start is not None:
            self._start.cancel()
            await asyncio.gather(self._start, return_exceptions=True)

    async def stop(self) -> None:
        """End all of it."""
        await self.give_up_starting()
        watching = self._watching if self._readiness is None else [*self._watching, self._readiness]
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        if self._workers is not None:
            await self._workers.stop()
        if self._log is not None:
            self._log.close()
            self._log = None

    async def _begin(self) -> None:
        wanted = self.wanted
        try:
            spec = WorkerSpec.from_dict(wanted.spec)
            log_file = self._log = LogFile(Path(wanted.log))
            workers = self._workers = WorkerSet(
                spec,
                wanted.count,
                self._folder,
                lambda present: self._changed(spec, present),
                wanted.timeout,
                wanted.memory_limit,
                self._ids,
                log_file.descriptor,
                turns=self._turns,
            )
            if wanted.has_answered:
                self._changed(spec, [])  # requests for it wait meanwhile
                workers.begin()
            else:
                self._facts = await self._first_start(workers)
                self._state = "ready"
                log.info("%s is ready", wanted.id)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this set's alone, and told
            log.error("%s does not start: %s", wanted.id, error)
            self._state, self._error = "failed", _told(error)
        else:
            self._watching.append(asyncio.ensure_future(_watch_log(log_file)))
            if wanted.liveness is not None:
                self._watching.append(asyncio.ensure_future(watch_liveness(workers, wanted.liveness)))
            self._watch_readiness(workers)
        self._on_report(self.report())

    async def _first_start(self, workers: WorkerSet) -> dict[str, Any]:
        """A worker that ends without a word was killed: that may pass. What one says itself will be the same the next time."""
        try:
            async with asyncio.timeout(self._longest_start):
                for _ in range(KILLED_STARTS):
                    try:
                        return await workers.start()
                    except WorkerFailed as error:
                        if error.traceback is not None:
                            raise
                        log.warning("%s does not start, and is tried again: %s", self.wanted.id, error.message)
                return await workers.start()
        except TimeoutError:
            raise WorkerFailed(
                f"the model was not loaded within {self._longest_start:g} s",
                hint="Its log says how far it came. MODELPORT_BUILD_TIMEOUT of modelport up gives it longer.",
            ) from None

    def _watch_readiness(self, workers: WorkerSet) -> None:
        """As it is wanted now: who was silent until now is looked at anew."""
        if self._readiness is not None:
            self._readiness.cancel()
            self._readiness = None
        if self._resting:
            self._rest(workers.spec, frozenset())
        if self.wanted.readiness is not None:
            watching = watch_readiness(workers, self.wanted.readiness, lambda ids: self._rest(workers.spec, ids))
            self._readiness = asyncio.ensure_future(watching)

    def _rest(self, spec: WorkerSpec, ids: frozenset[int]) -> None:
        """Nothing is given to these workers for now."""
        for said, changed in (("not ready", ids - self._resting), ("ready again", self._resting - ids)):
            for id in changed:
                log.info("worker %d of %s is %s", id, self.wanted.id, said)
        self._resting = ids
        self._changed(spec, self._present)

    def _changed(self, spec: WorkerSpec, present: list[WorkerAddress]) -> None:
        self._present = present
        restarts = 0 if self._workers is None else self._workers.restarts
        told = [replace(worker, resting=worker.id in self._resting) for worker in present]
        self._on_row(Row(self.wanted.id, None, str(spec.model_path), spec.mlmodel, told, restarts))
        if self.wanted.has_answered and self._state == "starting" and len(present) >= self.wanted.count:
            log.info("%s is ready again", self.wanted.id)
            self._state = "ready"
        if self._state == "ready":
            self._on_report(self.report())


async def _watch_log(file: LogFile) -> None:
    while True:
        await asyncio.sleep(LOG_INTERVAL)
        try:
            if file.is_large:
                await asyncio.to_thread(file.rotate)
        except OSError as error:  # no space, or somebody removed it: the next look may find it better
            log.error("a log file cannot be copied aside: %s", error)


def _told(error: Exception) -> dict[str, Any]:
    if not isinstance(error, ModelportError):
        text = "".join(traceback.format_exception(error))
        error = WorkerFailed(f"the workers cannot be started: {error}", traceback=text)
    return error.as_dict()
