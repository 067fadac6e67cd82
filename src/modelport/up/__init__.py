"""Composition roots of `modelport up`: the command itself, and the control process."""

import importlib.util
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from modelport.errors import CannotStart
from modelport.serving.address import AddressSettings, tls_context
from modelport.settings import ServeSettings, UpSettings, build_timeout

log = logging.getLogger("modelport")

SETTINGS = "supervisor.json"
PRIVATE = ("models", "deployments", "logs")
"""Folders of ``MODELPORT_HOME`` that nobody else looks into, whatever the folder itself allows."""
_EXTRA = ("fastapi", "sqlalchemy", "alembic", "uvicorn")


def up(settings: UpSettings) -> None:
    """Run the server until SIGTERM or SIGINT: this process becomes the supervisor, which needs none of what it took to begin.

    Raises:
        CannotStart: something of it cannot be had: the packages, the keys, the store, the folder.
    """
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotStart(f"the control plane needs {', '.join(missing)}", hint="pip install 'modelport[server]'")
    from modelport.control.secret import ADMIN_KEY, Secret, written_once
    from modelport.store.store import Store
    from modelport.supervisor.run_folder import take
    from modelport.supervisor.settings import Settings as SupervisorSettings
    from modelport.up import control

    run_folder = settings.home.absolute() / "run"
    _make_folders(settings.home)
    lock = take(run_folder)  # before anything of another server that runs with this home is touched
    scoring_settings = asdict(_address(settings))
    is_first = not (settings.home / ADMIN_KEY).exists()
    written_once(settings.home / ADMIN_KEY)
    Secret(settings.home)
    Store.open(settings.store_url).close()  # what is wrong with it is told here, and not by a child again and again
    if settings.ssl_certfile is None and not _is_loopback(settings):
        log.warning("keys and data cross the network as they are: give --ssl-certfile and --ssl-keyfile")
    if is_first:
        log.info("the admin's key was written to %s", settings.home / ADMIN_KEY)
    if settings.public_url or settings.scoring_public_url or not _is_loopback(settings):
        log.info("clients are told: control plane at %s, endpoints at %s", settings.control_url, settings.scoring_url)
    told = SupervisorSettings(
        run=str(run_folder),
        control=control.command(settings, run_folder),
        control_host=settings.host,
        control_port=settings.port,
        scoring_host=settings.scoring_host,
        scoring_port=settings.scoring_port,
        scoring_processes=settings.scoring_processes,
        scoring_settings=scoring_settings,
        lock=lock,
        scheme=settings.scheme,
        longest_start=build_timeout(),
    )
    file = run_folder / SETTINGS
    told.write(file)
    sys.stderr.flush()
    os.set_inheritable(lock, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the supervisor knows what to do with it
    os.execv(sys.executable, [sys.executable, "-m", "modelport.supervisor.main", str(file)])


def _make_folders(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in PRIVATE:
            (home / name).mkdir(exist_ok=True, mode=0o700)
            (home / name).chmod(0o700)
    except OSError as error:
        reason = "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror
        raise CannotStart(
            f"cannot use the folder '{error.filename}': {reason}", hint="Choose another with --home, or MODELPORT_HOME."
        ) from None


def _address(settings: UpSettings) -> AddressSettings:
    """How scoring processes answer; a certificate that cannot be used is told here, and not by a child that dies of it."""
    address = AddressSettings(
        max_body=ServeSettings.max_body,
        max_buffered=ServeSettings.max_buffered,
        access_log="text",
        tracebacks=False,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
        server_timing=False,
        public_url=settings.scoring_public_url or "",
    )
    tls_context(address)
    return address


def _is_loopback(settings: UpSettings) -> bool:
    return {settings.host, settings.scoring_host} <= {"127.0.0.1", "localhost", "::1"}
