"""Stands where a scoring process stands, and writes down in which order it is told things.

Arguments: a folder; socket, listening socket and metrics memory, inherited. While the folder has a file ``hold`` or ``open``, a
table is not applied, or something of every set is open. Once it listens, a connection is answered with the process id.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

folder = Path(sys.argv[1])
link, listener, metrics = (int(argument) for argument in sys.argv[2:5])
supervisor = socket.socket(fileno=link)
os.fstat(metrics)
signal.signal(signal.SIGTERM, signal.SIG_IGN)


def say(**message: object) -> None:
    supervisor.sendall(json.dumps(message).encode() + b"\n")


def wait_for(name: str) -> None:
    while (folder / name).exists():
        time.sleep(0.02)


def drained(id: str) -> None:
    wait_for("open")
    say(drained=id)


def serve() -> None:
    server = socket.socket(fileno=listener)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(f"{os.getpid()}\n".encode())


lines = iter(supervisor.makefile())
first = json.loads(next(lines))
with (folder / f"scoring-{first['process']}").open("a") as told:
    told.write(json.dumps({**first, "pid": os.getpid()}) + "\n")
    for line in lines:
        told.write(line)
        told.flush()
        message = json.loads(line)
        if "table" in message:
            wait_for("hold")
            say(applied=message["table"]["version"])
        elif "listen" in message:
            threading.Thread(target=serve, daemon=True).start()
            say(ready=True)
        elif "gone" in message:
            threading.Thread(target=drained, args=[message["gone"]], daemon=True).start()
        elif "drain" in message:
            break
os._exit(0)
