"""Stands where control stands: says to the supervisor what a test has it say, and writes down what it is told.

Arguments: a folder; socket, listening socket and metrics memory, inherited. A connection brings one JSON line: ``say`` goes to
the supervisor, ``exit`` ends this process. The answer is its process id.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

folder = Path(sys.argv[1])
link, listener, metrics = (int(argument) for argument in sys.argv[2:5])
supervisor = socket.socket(fileno=link)
addresses = socket.socket(fileno=listener)
os.fstat(metrics)


def listen() -> None:
    with (folder / "control").open("a") as told:
        told.write(json.dumps({"began": os.getpid()}) + "\n")
        for line in supervisor.makefile():
            told.write(line)
            told.flush()
    os._exit(0)


threading.Thread(target=listen, daemon=True).start()
while True:
    connection, _ = addresses.accept()
    with connection:
        message = json.loads(connection.makefile().readline())
        if "say" in message:
            supervisor.sendall(json.dumps(message["say"]).encode() + b"\n")
        connection.sendall(f"{os.getpid()}\n".encode())
    if "exit" in message:
        os._exit(message["exit"])
