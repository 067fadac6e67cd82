"""The demo: save a model with the real mlflow, serve it with modelport, ask it something."""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MLFLOW_PYTHON = ROOT / ".envs" / "mlflow-3" / "bin" / "python"
MODELPORT = ROOT / ".venv" / "bin" / "modelport"
MODEL = ROOT / ".demo" / "wine"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo ARGS=…", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the prediction")
    once = parser.parse_args().once

    began = time.monotonic()
    print("1. Training a wine classifier and saving it with the real mlflow …", flush=True)
    shutil.rmtree(MODEL, ignore_errors=True)
    subprocess.run([MLFLOW_PYTHON, "-W", "ignore", ROOT / "demo" / "train.py", MODEL], check=True, stderr=sys.stdout)
    print(f"   {MODEL.relative_to(ROOT)}: {', '.join(sorted(path.name for path in MODEL.iterdir()))}")
    print(f"   ({time.monotonic() - began:.1f} s)", flush=True)

    port = _port()
    command = [str(part) for part in (MODELPORT, "serve", "-m", MODEL, "-p", port)]
    shown = " ".join(part.replace(f"{ROOT}/", "") for part in command)
    print(f"2. Serving it, in an environment made from its own files:\n   {shown}", flush=True)
    server = subprocess.Popen(command)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(server, address)
        body = (MODEL / "serving_input_example.json").read_text()
        print(f"3. Asking it:\n   POST {address}/invocations\n   {json.dumps(json.loads(body))}")
        request = urllib.request.Request(
            f"{address}/invocations", data=body.encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            print(f"4. It answers:\n   {answer.read().decode()}")
        print("What to try next:")
        print(
            f"   curl {address}/invocations -H 'Content-Type: application/json' -d @.demo/wine/serving_input_example.json"
        )
        print(f"   curl {address}/metrics")
        print("   .venv/bin/modelport serve --help", flush=True)
        if once:
            return 0
        print("Serving until stopped (Ctrl-C) …", flush=True)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait(timeout=30)


def _port() -> int:
    """MLflow's port where it is free, else any."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 5000))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if server.poll() is not None:
            sys.exit("the server ended; its message stands above")
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    sys.exit("the server was not ready within two minutes")


if __name__ == "__main__":
    sys.exit(main())
