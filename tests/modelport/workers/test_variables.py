"""A worker gets environment variables by name: those that programs and libraries read, the model asks for, the user gives."""

import pytest

from modelport.workers.variables import variables

HERE = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "3",
    "CUDA_VISIBLE_DEVICES": "0",
    "HF_HOME": "/data/hf",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TOKENIZERS_PARALLELISM": "false",
    "MLFLOW_PYFUNC_INFERENCE_CONFIG": "{}",
    "https_proxy": "http://proxy:3128",
}
SECRETS = {
    "MODELPORT_API_KEY": "ours",
    "MODELPORT_HOME": "/home/me/.modelport",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_PROFILE": "mine",
    "DATABASE_URL": "postgres://me@host/db",
    "HF_TOKEN": "secret",
    "TF_VAR_database": "of Terraform",
    "MLFLOW_TRACKING_TOKEN": "secret",
    "MLFLOW_TRACKING_PASSWORD": "secret",
    "MLFLOW_TRACKING_URI": "https://me:secret@host",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret",
    "HTTPS_PROXY": "http://me:secret@proxy:3128",
    "PYTHONPATH": "/somewhere",
    "SSH_AUTH_SOCK": "/run/agent",
}


def test_what_programs_and_libraries_read_passes_and_nothing_else() -> None:
    assert variables({}, {}, {**HERE, **SECRETS}).values == HERE


@pytest.mark.parametrize(
    ("asked", "given", "gets", "withheld"),
    [
        ({"AWS_SECRET_ACCESS_KEY": None}, {}, {"AWS_SECRET_ACCESS_KEY": "secret"}, ()),
        ({"LICENCE": None}, {}, {}, ("LICENCE (not set)",)),
        ({"LICENCE": None}, {"LICENCE": "mine"}, {"LICENCE": "mine"}, ()),
        ({"LICENCE": "free"}, {}, {"LICENCE": "free"}, ()),
        ({"AWS_PROFILE": "theirs"}, {}, {"AWS_PROFILE": "mine"}, ()),
        ({"AWS_PROFILE": "theirs"}, {"AWS_PROFILE": "other"}, {"AWS_PROFILE": "other"}, ()),
        ({}, {"HF_TOKEN": "given", "ANYTHING": ""}, {"HF_TOKEN": "given", "ANYTHING": ""}, ()),
        (
            {"MODELPORT_API_KEY": None},
            {},
            {},
            ("MODELPORT_API_KEY (Modelport's own: only --env MODELPORT_API_KEY passes it)",),
        ),
        ({"MODELPORT_API_KEY": None}, {"MODELPORT_API_KEY": "given"}, {"MODELPORT_API_KEY": "given"}, ()),
        ({"LD_PRELOAD": "/tmp/evil.so"}, {}, {}, ("LD_PRELOAD (not a model's to set)",)),
        ({"PATH": "/tmp/evil"}, {}, {}, ()),
    ],
)
def test_the_model_asks_by_name_and_the_user_has_the_last_word(
    asked: dict[str, str | None], given: dict[str, str], gets: dict[str, str], withheld: tuple[str, ...]
) -> None:
    found = variables(asked, given, {**HERE, **SECRETS})
    assert (found.values, found.withheld) == ({**HERE, **gets}, withheld)
