"""A library counts as loaded when it is imported whole, not while another thread is at it."""

import sys
import threading
from pathlib import Path

import pytest

from modelport_runtime.libraries import loaded


def test_a_library_that_is_being_imported_is_not_loaded_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_library.py").write_text("import test_gate\n\ntest_gate.reached.set()\ntest_gate.go.wait(20)\n")
    (tmp_path / "test_gate.py").write_text("import threading\n\nreached, go = threading.Event(), threading.Event()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert loaded("slow_library") is None
    import test_gate  # type: ignore[import-not-found]

    importing = threading.Thread(target=__import__, args=("slow_library",))
    importing.start()
    assert test_gate.reached.wait(20)
    assert "slow_library" in sys.modules
    assert loaded("slow_library") is None
    test_gate.go.set()
    importing.join(20)
    assert loaded("slow_library") is sys.modules["slow_library"]
    for name in ("slow_library", "test_gate"):
        del sys.modules[name]
