"""The same requests, answered by Azure's inference server and by ``modelport serve``."""

import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.interop.answers import SERVERS_AT_ONCE, served
from tests.interop.azure.azure_host import ORIGINS
from tests.interop.azure.case import Case
from tests.interop.environment import python_of
from tests.interop.models import run, saved_models

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` is None where there was no server to answer, and ``text`` holds its last words."""

    status: int | None
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The JSON of the answer, or its text. NaN and infinities, which JSON does not have, are none of its values."""
        try:
            return json.loads(self.text, parse_constant=lambda name: f"{name} is not JSON")
        except ValueError:
            return self.text

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass(frozen=True)
class Both:
    theirs: Answer
    ours: Answer


def all_answers(cases: list[Case]) -> dict[str, Both]:
    """Case id → Azure's answer and ours, asked beside each other."""
    with models_of(cases) as folders, ThreadPoolExecutor(1) as beside:
        asked = beside.submit(answers_of_azure, folders, cases)
        ours = answers_of_modelport(folders, cases)
        theirs = asked.result()
    return {case.id: Both(theirs[case.id], ours[case.id]) for case in cases}


@contextmanager
def models_of(cases: list[Case]) -> Iterator[dict[str, Path]]:
    """The folder of every model that is asked: those of the MLflow suite, and one made of them."""
    saved = saved_models("mlflow-3")
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch, "photos")
        shutil.copytree(saved / "tensor", photos)
        mlmodel = (photos / "MLmodel").read_text()
        several_free = mlmodel.replace('"shape": [-1, 3]', '"shape": [-1, -1, -1, 3]')
        assert several_free != mlmodel
        (photos / "MLmodel").write_text(several_free)
        yield {case.model: photos if case.model == "photos" else saved / case.model for case in cases}


def answers_of_azure(folders: dict[str, Path], cases: list[Case]) -> dict[str, Answer]:
    with tempfile.TemporaryDirectory() as scratch:
        asked, found = Path(scratch, "requests.json"), Path(scratch, "answers.json")
        models = {model: str(folder) for model, folder in folders.items()}
        asked.write_text(json.dumps({"models": models, "requests": [case.request() for case in cases]}))
        run([python_of("azure"), HERE / "azure_host.py", asked, found], timeout=240)
        replies = json.loads(found.read_text())
    answers = {case.id: Answer(None, {}, replies["unloadable"].get(case.model, "")) for case in cases}
    return answers | {id: Answer(**reply) for id, reply in replies["answers"].items()}


def answers_of_modelport(folders: dict[str, Path], cases: list[Case]) -> dict[str, Answer]:
    by_model = defaultdict(list)
    for case in cases:
        by_model[case.model].append(case)

    def ask_server(model: str) -> dict[str, Answer]:
        with (
            served(folders[model], Path(sys.executable)) as address,
            httpx.Client(base_url=address, timeout=30) as client,
        ):
            client.headers.clear()
            return {case.id: ask(client, case) for case in by_model[model]}

    with pytest.MonkeyPatch.context() as environment, ThreadPoolExecutor(SERVERS_AT_ONCE) as servers:
        environment.setenv("AML_CORS_ORIGINS", ORIGINS)
        parts = list(servers.map(ask_server, by_model))
    return {case_id: answer for part in parts for case_id, answer in part.items()}


def ask(client: httpx.Client, case: Case) -> Answer:
    reply = client.request(case.method, case.path, headers=case.headers, content=case.body)
    return Answer(reply.status_code, dict(reply.headers), reply.text)
