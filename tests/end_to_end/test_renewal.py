"""What another modelport, or another place, would prepare otherwise is prepared anew at the start, by itself."""

import json
import shutil
import time
from pathlib import Path

from tests.end_to_end.test_rollout import ENDPOINT, REQUEST, blue
from tests.end_to_end.up_server import UpServer


def test_a_deployment_whose_runtime_is_gone_answers_again(tmp_path: Path, examples: Path) -> None:
    server = UpServer(tmp_path / "home")
    server.start()
    try:
        blue(server.client(), examples)
        assert server.stop() == 0
        shutil.rmtree(server.home / "runtime")
        server.start()
        _answers(server)
        assert f"{ENDPOINT}/blue is prepared anew" in server.log.read_text()
    finally:
        server.stop()


def test_a_home_that_was_moved_answers_where_it_lies_now(tmp_path: Path, examples: Path) -> None:
    server = UpServer(tmp_path / "home")
    server.start()
    try:
        blue(server.client(), examples)
        assert server.stop() == 0
        moved = tmp_path / "moved"
        shutil.move(server.home, moved)
        server = UpServer(moved)
        server.start()
        _answers(server)
    finally:
        server.stop()


def _answers(server: UpServer) -> None:
    client = server.client()
    end = time.monotonic() + 60
    while client.get_online_deployment(ENDPOINT, "blue").ready_instances == 0:
        assert time.monotonic() < end, server.log.read_text()[-3000:]
        time.sleep(0.1)
    assert len(json.loads(client.invoke(ENDPOINT, REQUEST))) == 2
