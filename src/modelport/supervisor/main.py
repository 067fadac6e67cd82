"""The supervisor of `modelport up`: parent of control, scoring processes and workers.

Started as ``python -m modelport.supervisor.main FILE``, with its settings in the file. It needs the standard library alone,
so that nothing that control or scoring can suffer from reaches it.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from modelport.errors import ModelportError
from modelport.listening import open_at, refuse_new_connections
from modelport.log import set_up_log
from modelport.serving.metrics import MAX_DEPLOYMENTS, shared_memory
from modelport.supervisor.control_link import ControlLink
from modelport.supervisor.run_folder import RunFolder
from modelport.supervisor.scoring import ScoringProcesses
from modelport.supervisor.settings import Settings
from modelport.supervisor.table import Report, Table
from modelport.supervisor.workers import AllWorkers

log = logging.getLogger("modelport.supervisor")

DRAIN_GRACE = 10.0
"""Seconds beyond the longest time-out that scoring processes have to answer what they were asked."""
PREDECESSOR = 15.0
"""Seconds that the children of a supervisor that was killed have to let go of the addresses."""
INTERRUPTED = 130
"""The exit code of who was interrupted, as shells have it."""
_HINT = "Stop what listens there, or choose another address."


def supervise(settings: Settings) -> None:
    """Returns after SIGTERM, SIGINT or SIGHUP, when nothing is left of what was started.

    Raises:
        CannotStart: an address cannot be had, or the run folder.
    """
    run_folder = RunFolder(Path(settings.run), settings.lock)
    try:
        patience = PREDECESSOR if run_folder.was_killed else 0.0
        with (
            open_at(settings.control_host, settings.control_port, _HINT, patience) as control,
            open_at(settings.scoring_host, settings.scoring_port, _HINT, patience) as scoring,
        ):
            asyncio.run(_Supervisor(settings, run_folder, control, scoring).run())
            log.info("stopped")
    finally:
        run_folder.close()


class _Supervisor:
    """One run. What control wants becomes workers and routes; what becomes of those goes back to control."""

    def __init__(
        self, settings: Settings, run_folder: RunFolder, control: socket.socket, scoring: socket.socket
    ) -> None:
        self._settings = settings
        self._run_folder = run_folder
        self._listeners = control, scoring
        self._table: Table | None = None
        self._is_stopping = False

    async def run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        settings, (control, scoring) = self._settings, self._listeners
        metrics = shared_memory(settings.scoring_processes, MAX_DEPLOYMENTS)
        self._scoring = ScoringProcesses(
            settings,
            scoring.fileno(),
            metrics,
            on_applied=lambda version: self._control.applied(version),
            on_answer=lambda id: self._workers.answered(id),
            on_overrun=lambda id: self._workers.overrun(id),
        )
        self._workers = AllWorkers(self._run_folder.workers, self._scoring, self._report, settings.longest_start)
        self._control = ControlLink(settings, control.fileno(), metrics, self._want, self._workers.reports)
        try:
            table = self._run_folder.load()
            if table is not None:
                self._apply(table)
            self._scoring.begin()
            self._control.begin()
            for what, host, port in (
                ("control plane", settings.control_host, settings.control_port),
                ("endpoints", settings.scoring_host, settings.scoring_port),
            ):
                log.info("%s at %s://%s:%d", what, settings.scheme, f"[{host}]" if ":" in host else host, port)
            await stop.wait()
        finally:
            await self._stop()
            os.close(metrics)

    async def _stop(self) -> None:
        log.info("stopping: answering what was asked")
        self._is_stopping = True
        refuse_new_connections(self._listeners[1])
        for listener in self._listeners:
            listener.close()
        grace = self._workers.longest_timeout() + DRAIN_GRACE
        await asyncio.gather(self._scoring.drain(grace), self._control.stop())
        await self._workers.stop()

    def _want(self, table: Table) -> None:
        """Control has said what is wanted now."""
        if self._is_stopping:
            return
        if self._table is not None and table.version < self._table.version:
            log.warning("table %d is older than table %d: it is left out", table.version, self._table.version)
            return
        try:
            self._run_folder.save(table)
        except OSError as error:  # no space: what is wanted now matters more than what a later start would begin with
            log.error("table %d cannot be kept for the next start: %s", table.version, error)
        self._apply(table)

    def _apply(self, table: Table) -> None:
        self._table = table
        self._workers.start(table.workers)
        self._scoring.route(table)
        self._workers.end_others()

    def _report(self, report: Report) -> None:
        self._control.report(report)


def main() -> None:
    """Entry point: the file of the settings. `modelport up` blocks SIGINT for the moment in which it becomes this."""
    set_up_log()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        supervise(Settings.read(Path(sys.argv[1])))
    except KeyboardInterrupt:  # before there was anything to be stopped
        sys.exit(INTERRUPTED)
    except ModelportError as error:
        sys.stderr.write(f"error: {error.message} [{error.code}]\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
