"""What nobody needs any more is removed, at the start and once an hour: content, laid out models, logs, old audit entries.

Only by the store that the folder belongs to: to another one, all of it would look like nobody's.
"""

import contextlib
import logging
import os
import shutil
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path

from modelport.control import assets, logs, preparing
from modelport.errors import ModelportError
from modelport.store.content import ContentStore
from modelport.store.store import Store

log = logging.getLogger("modelport.control")

INTERVAL = 3600.0
KEPT = timedelta(days=7)
"""How long what nobody refers to is kept: an upload is under way, a deleted deployment's log is still to be read, a backup of
the store was put back by mistake."""
AUDIT_KEPT = timedelta(days=365)
STORE_ID = "store.id"
"""In the home folder: to which store it belongs."""


class Tidying:
    """A thread of its own, as what is removed may be large."""

    def __init__(self, store: Store, content: ContentStore, home: Path) -> None:
        self._store = store
        self._content = content
        self._home = home
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidying", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.tidy()
            except ModelportError as error:
                log.error("what nobody needs is not removed: %s", error)
            except Exception:
                log.exception("what nobody needs is not removed")
            self._stopped.wait(INTERVAL)

    def tidy(self) -> None:
        """Remove what has been nobody's for long enough."""
        self._remove_audit()
        if not self._is_ours():
            log.warning("%s is another store's: what nobody refers to in this one is kept there", self._home)
            return
        self._remove_contents()
        with self._store.reading() as transaction:
            of_deployments = {logs.folder(self._home, deployment) for deployment in transaction.deployments()}
            of_revisions = {preparing.laid_out(self._home, revision) for revision in transaction.revisions()}
        self._remove_folders(logs.FOLDER, "*/*", of_deployments)
        self._remove_folders(preparing.LAID_OUT, "*", of_revisions)

    def _is_ours(self) -> bool:
        """Whether the folder is this store's. One that says nothing yet becomes so, if this store knows what lies there."""
        with self._store.writing() as transaction:
            own = transaction.setting("id")
            if own is None:
                own = uuid.uuid4().hex
                transaction.set_setting("id", own)
            mentioned = transaction.mentioned()
        file = self._home / STORE_ID
        said = file.read_text().strip() if file.exists() else ""
        if not said:
            there = self._content.all()
            if there and not any(_digest(path) in mentioned for path in there):
                return False
            file.touch(0o600)
            file.write_text(own + "\n")
        return said in ("", own)

    def _remove_audit(self) -> None:
        found = 1
        while found:
            with self._store.writing() as transaction:
                found = transaction.remove_audit_before(assets.now() - AUDIT_KEPT)

    def _remove_contents(self) -> None:
        with self._store.reading() as transaction:
            mentioned = transaction.mentioned()
        for path in self._content.all():
            if self._is_left(path, mentioned):
                with self._store.writing() as transaction:  # nobody refers to it meanwhile
                    if self._is_left(path, transaction.mentioned()):
                        self._content.remove(path)
                        log.info("removed %s, which no model or environment refers to", path)

    def _is_left(self, path: str, mentioned: set[str]) -> bool:
        return _digest(path) not in mentioned and self._content.asked_for(path) < time.time() - KEPT.total_seconds()

    def _remove_folders(self, kind: str, pattern: str, needed: set[Path]) -> None:
        """Those in ``kind`` that are not needed, and were not written to for as long as they are kept."""
        top = self._home / kind
        for folder in top.glob(pattern):
            if folder in needed or not folder.is_dir():
                continue
            with contextlib.suppress(OSError):
                newest = max(place.lstat().st_mtime for place in (folder, *folder.iterdir()))
                if newest < time.time() - KEPT.total_seconds():
                    shutil.rmtree(folder)
                    log.info("removed %s, whose deployment is gone", folder)
                    if folder.parent != top:
                        os.rmdir(folder.parent)  # if it was the last of its endpoint


def _digest(path: str) -> str:
    return path.removeprefix("content://").partition("/")[0]
