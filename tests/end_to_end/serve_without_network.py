"""Serve a model, ask it once, print the answer, where there is no network: `serve_without_network.py PORT BODY COMMAND…`."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request

READY_WITHIN = 120.0


def main(port: str, body: str, *command: str) -> None:
    address = f"http://127.0.0.1:{port}"
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    interfaces = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(interfaces) == 1, f"there is more of a network than the loopback: {interfaces}"
    server = subprocess.Popen(command)
    try:
        until = time.monotonic() + READY_WITHIN
        while True:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server is not ready"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/ping", timeout=1).close()
                break
            time.sleep(0.1)
        request = urllib.request.Request(f"{address}/invocations", body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            print(answer.read().decode())
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)


if __name__ == "__main__":
    main(*sys.argv[1:])
