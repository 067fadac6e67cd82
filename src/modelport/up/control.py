"""The control process: store, operations, reconciliation and REST, put together; ended when the supervisor is."""

import asyncio
import json
import logging
import platform
import shutil
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn

import modelport_runtime
from modelport.control.access import Access
from modelport.control.checking import checks
from modelport.control.counting import Counting
from modelport.control.local import Control, LocalControlPlane
from modelport.control.reconcile import Reconciler
from modelport.control.secret import ADMIN_KEY, Secret, written_once
from modelport.control.supervisor_link import SupervisorLink
from modelport.control.tidying import Tidying
from modelport.domain.operations import ControlPlane
from modelport.errors import ModelportError
from modelport.log import set_up_log
from modelport.rest.app import create_app
from modelport.serving.metrics import Memory
from modelport.settings import UpSettings
from modelport.store.content import ContentStore
from modelport.store.store import Store

log = logging.getLogger("modelport.control")

SETTINGS = "control.json"
MAX_HEAD = 64 << 10
"""Bytes of a request's line and headers: h11 keeps to it, httptools would not."""
GRACE = 10
"""Seconds that requests have to end once it is to stop."""


def command(settings: UpSettings, run_folder: Path) -> tuple[str, ...]:
    """What starts a control process; the supervisor adds descriptors: its socket, the listening socket, the metrics' memory.

    The settings go by a file that is its owner's alone: the store's URL may hold a password.
    """
    file = run_folder / SETTINGS
    file.touch(0o600)
    file.write_text(json.dumps({**asdict(settings), "home": str(settings.home)}))
    return (sys.executable, "-m", "modelport.up.control", str(file))


def main() -> None:
    """Entry point."""
    told = json.loads(Path(sys.argv[1]).read_text())
    settings = UpSettings(**{**told, "home": Path(told["home"])})
    control, listener, memory = (int(descriptor) for descriptor in sys.argv[2:5])
    set_up_log()
    try:
        asyncio.run(_run(settings, socket.socket(fileno=control), socket.socket(fileno=listener), memory))
    except ModelportError as error:
        log.error("%s [%s]", error, error.code)
        sys.exit(1)


async def _run(settings: UpSettings, control: socket.socket, listener: socket.socket, memory: int) -> None:
    began = time.time()
    store = Store.open(settings.store_url)
    content = ContentStore(settings.home / "models")
    access = Access(store, written_once(settings.home / ADMIN_KEY))
    link = SupervisorLink(control)
    counters = Memory(memory, settings.scoring_processes)
    reconciler = Reconciler(store, content, settings, link.send, counters.clear)
    counting = Counting(counters, store, reconciler.counted)
    tidying = Tidying(store, content, settings.home)

    def status() -> dict[str, Any]:
        disk = shutil.disk_usage(settings.home)
        return {
            "version": modelport_runtime.__version__,
            "python": platform.python_version(),
            "control_url": settings.control_url,
            "scoring_url": settings.scoring_url,
            "store": store.name,
            "home": str(settings.home),
            "seconds": round(time.time() - began, 1),
            "disk_free_bytes": disk.free,
            "disk_total_bytes": disk.total,
            "workers": reconciler.all_reports(),
            "checks": checks(store, settings, reconciler.all_ready(), reconciler.is_applied),
        }

    shared = Control(
        store=store,
        content=content,
        secret=Secret(settings.home),
        settings=settings,
        wake=reconciler.wake,
        settle=reconciler.settle,
        metrics=counting.text,
        status=status,
        ready=reconciler.ready,
    )

    def plane_of(key: str | None) -> ControlPlane:
        return LocalControlPlane(shared, access.principal(key))

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(plane_of, settings.public_url),
            http="h11",
            h11_max_incomplete_event_size=MAX_HEAD,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE,
            ssl_certfile=settings.ssl_certfile,
            ssl_keyfile=settings.ssl_keyfile,
            server_header=False,
        )
    )

    def end() -> None:
        server.should_exit = True

    link.listen(reconciler.reported, reconciler.applied, end)
    reconciler.start()
    counting.start()
    tidying.start()
    try:
        await server.serve(sockets=[listener])
    finally:
        tidying.stop()
        counting.stop()
        reconciler.stop()
        store.close()


if __name__ == "__main__":
    main()
