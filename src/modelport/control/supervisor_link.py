"""The socket between control and the supervisor, seen from control: tables out, reports in."""

import json
import logging
import socket
import threading
from collections.abc import Callable

from modelport.messages import message_line
from modelport.supervisor.table import Report, Table

log = logging.getLogger("modelport.control")


class SupervisorLink:
    """``listen`` gives what comes to whom it concerns, in a thread of its own."""

    def __init__(self, control: socket.socket) -> None:
        self._socket = control
        self._sending = threading.Lock()

    def send(self, table: Table) -> None:
        """Have this table made so. When the supervisor is gone, so is this process, soon."""
        line = message_line(table=table.as_dict())
        try:
            with self._sending:
                self._socket.sendall(line)
        except OSError as error:
            log.error("the supervisor cannot be told: %s", error)

    def listen(
        self, on_report: Callable[[Report], None], on_applied: Callable[[int], None], on_end: Callable[[], None]
    ) -> None:
        """``on_end``: the supervisor is gone."""

        def run() -> None:
            try:
                with self._socket.makefile("rb") as lines:
                    for line in lines:
                        message = json.loads(line)
                        if "workers" in message:
                            on_report(Report(**message["workers"]))
                        elif "applied" in message:
                            on_applied(message["applied"])
            except OSError:
                pass
            on_end()

        threading.Thread(target=run, name="supervisor-link", daemon=True).start()
