"""What scoring processes counted: shown for Prometheus, and written down minute by minute."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from modelport.domain.seen import Minute
from modelport.errors import StoreFailed
from modelport.serving import exposition
from modelport.serving.exposition import DeploymentGauges
from modelport.serving.metrics import DURATION, JOINED_ROWS, Memory, WorkerGauge, requests_by_status
from modelport.store.store import Store
from modelport.workers.memory import resident_memory

log = logging.getLogger("modelport.control")

MINUTE = 60.0
KEPT = timedelta(days=30)
"""How long minutes are kept."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Counted:
    """A deployment whose requests are counted at a position."""

    id: str
    endpoint: str
    deployment: str
    restarts: int = 0
    pids: Sequence[int] = ()


@dataclass
class _Before:
    """What there was a minute ago."""

    totals: list[float]
    cpu: dict[int, float] = field(default_factory=dict)


class Counting:
    """``deployments`` tells what is at which position."""

    def __init__(self, memory: Memory, store: Store, deployments: Callable[[], dict[int, Counted]]) -> None:
        self._memory = memory
        self._store = store
        self._deployments = deployments
        self._before: dict[str, _Before] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def text(self) -> bytes:
        """All counters, in Prometheus' text format."""
        shown = {
            position: DeploymentGauges(
                counted.endpoint,
                counted.deployment,
                counted.restarts,
                [WorkerGauge(pid, resident_memory(pid)) for pid in counted.pids],
            )
            for position, counted in self._deployments().items()
        }
        return exposition.endpoints_text(self._memory, shown)

    def _run(self) -> None:
        self.minutes(datetime.now(UTC))  # what there is already belongs to no minute of ours
        while not self._stopped.wait(MINUTE - time.time() % MINUTE):
            now = datetime.fromtimestamp(time.time() // MINUTE * MINUTE, UTC)
            try:
                found = self.minutes(now - timedelta(seconds=MINUTE))
                with self._store.writing() as transaction:
                    transaction.add_minutes(found)
                    transaction.remove_minutes_before(now - KEPT)
                    transaction.remove_expired_credentials(time.time())
            except StoreFailed as error:
                log.error("a minute of history is lost: %s", error)
            except Exception:
                log.exception("a minute of history is lost")

    def minutes(self, at: datetime) -> list[Minute]:
        """What was counted since the last call, by deployment, as the minute that began ``at``; by the first call, nothing.

        What counts for a deployment that was not there then began at nothing, too.
        """
        found = []
        before, self._before = self._before, {}
        for position, counted in self._deployments().items():
            totals = self._memory.totals(position)
            cpu = {pid: _cpu_seconds(pid) for pid in counted.pids}
            self._before[counted.id] = _Before(totals, cpu)
            if before is None:
                continue
            last = before.get(counted.id) or _Before([0.0] * len(totals))
            differences = [now - then for now, then in zip(totals, last.totals, strict=True)]
            used = sum(seconds - last.cpu.get(pid, seconds) for pid, seconds in cpu.items())
            found.append(
                Minute(
                    at=at,
                    endpoint=counted.endpoint,
                    deployment=counted.deployment,
                    requests={str(status): number for status, number in requests_by_status(differences).items()},
                    latency_p50=_milliseconds(differences, 0.50),
                    latency_p90=_milliseconds(differences, 0.90),
                    latency_p95=_milliseconds(differences, 0.95),
                    latency_p99=_milliseconds(differences, 0.99),
                    rows=int(differences[JOINED_ROWS.sum]),
                    instances=len(counted.pids),
                    memory_bytes=sum(map(resident_memory, counted.pids)),
                    cpu_percent=round(max(0.0, used) / MINUTE * 100, 1),
                )
            )
        return found


def _milliseconds(slots: Sequence[float], share: float) -> float | None:
    """Below which this share of the requests was answered, as far as the histogram tells; None: there was none."""
    seconds = DURATION.quantile(slots, share)
    return None if seconds is None else round(seconds * 1000, 3)


def _cpu_seconds(pid: int) -> float:
    """That the process has used, proc(5); none if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except OSError:
        return 0.0
