"""From a revision to the workers it wants: its model's content, its environment, what its workers are started with."""

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from modelport.control import assets, logs, routing
from modelport.domain.environment import EnvironmentSpec
from modelport.domain.instance_type import InstanceType, instance_type
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.revision import Revision
from modelport.environments.preparing import admitted_worker_spec
from modelport.errors import InvalidInput, ModelNotLoadable, ModelportError
from modelport.model import azure_packages, environment_spec, location
from modelport.settings import MIB, EnvironmentSettings, SafetySettings, UpSettings, environment_manager
from modelport.store.content import ContentStore
from modelport.store.store import Store
from modelport.store.transaction import Transaction
from modelport.supervisor.table import WantedWorkers
from modelport.workers import bundle
from modelport.workers.spec import WorkerSpec

log = logging.getLogger("modelport")

LAID_OUT = "deployments"
"""In the home folder."""
MAX_BODY = 256 * MIB
THREADS = 64
"""Requests that user code may serve at once in one worker, where the file sets no limit."""


def prepare(
    deployment: OnlineDeployment, revision: Revision, store: Store, content: ContentStore, settings: UpSettings
) -> dict[str, Any]:
    """``WantedWorkers`` of the revision as JSON has it, when the environment is there. What was done is in the log.

    Raises:
        ModelportError: the model cannot be read, or its environment cannot be had.
    """
    file = logs.opened(logs.path(settings.home, deployment, "storage-initializer"))
    with _told_in(file):
        log.info("preparing revision %d of %s/%s", revision.number, deployment.endpoint_name, deployment.name)
        with store.reading() as transaction:
            source, environment = _referred(transaction, content, revision)
        folder = location.resolve(str(source))
        if environment is not None and environment.conda_file is not None:
            folder = _with_environment(folder, environment, settings.home, revision)
        try:
            spec = _worker_spec(folder, deployment, revision, settings)
        except ModelportError as error:
            raise _in_the_users_words(error, folder) from None
        log.info("%s runs with %s", folder, spec.python)
    size = _size(revision)
    wanted = WantedWorkers(
        id=f"{deployment.endpoint_name}/{deployment.name}/{deployment.id[:8]}-{revision.number}",
        spec=spec.as_dict(),
        count=revision.spec.instance_count,
        timeout=routing.timeout(revision),
        memory_limit=None if size is None else size.memory,
        log=str(logs.opened(logs.path(settings.home, deployment, "inference-server"))),
        liveness=routing.liveness(revision),
    )
    return asdict(wanted)


def is_current(revision: Revision, settings: UpSettings) -> bool:
    """Whether its workers can be started, and would be started likewise if it were prepared now: the files are there, the
    runtime is this modelport's, and the server has not been told otherwise since."""
    assert revision.workers is not None
    spec = WorkerSpec.from_dict(revision.workers["spec"])
    return (
        spec.bundle == bundle.present(settings.home.absolute() / "runtime")
        and all(Path(path).exists() for path in (spec.bundle, spec.python, spec.model_path))
        and (spec.sandbox is not None) == settings.sandbox
    )


def _in_the_users_words(error: ModelportError, folder: Path) -> ModelportError:
    """The error with the model's own name where it says the path of our copy, which nobody is to change."""

    def said(text: str | None) -> str | None:
        return None if text is None else text.replace(str(folder), folder.name)

    error.message, error.hint = said(error.message) or "", said(error.hint)
    return error


def _referred(
    transaction: Transaction, content: ContentStore, revision: Revision
) -> tuple[Path, EnvironmentSpec | None]:
    """Where the model lies, and the environment that the deployment names beside it."""
    spec = revision.spec
    environment: EnvironmentSpec | None
    if isinstance(spec.environment, str):
        environment = assets.referred_environment(transaction, spec.environment)
    else:
        environment = spec.environment
    if spec.model is not None:
        assert isinstance(spec.model, str)
        return content.folder(assets.referred_model(transaction, spec.model).path), environment
    assert environment is not None and environment.path is not None
    return content.folder(environment.path), None


def _worker_spec(folder: Path, deployment: OnlineDeployment, revision: Revision, settings: UpSettings) -> WorkerSpec:
    spec = revision.spec
    size = _size(revision)
    cores = len(os.sched_getaffinity(0))
    offline = settings.offline or spec.egress_public_network_access == "disabled"
    return admitted_worker_spec(
        folder,
        EnvironmentSettings(manager=environment_manager(None, None), offline=offline),
        SafetySettings(variables=spec.environment_variables, sandbox=settings.sandbox),
        settings.home,
        workers=spec.instance_count if size is None else max(1, cores // size.cpus),
        name=f"{deployment.endpoint_name}/{deployment.name}",
        threads=spec.request_settings.max_concurrent_requests_per_instance or THREADS,
        max_body=MAX_BODY,
    )


def _size(revision: Revision) -> InstanceType | None:
    name = revision.spec.instance_type
    return None if name is None else instance_type(name)


def laid_out(home: Path, revision: Revision) -> Path:
    """Where a revision's model lies that has another environment than its own."""
    return home / LAID_OUT / f"{revision.deployment_id[:16]}-{revision.number}"


def _with_environment(folder: Path, environment: EnvironmentSpec, home: Path, revision: Revision) -> Path:
    """The model's folder again, with the deployment's packages in the place of its own, as hard links.

    Raises:
        InvalidInput: the conda file is no such thing.
    """
    conda = environment.conda_file
    if not isinstance(conda, dict):
        raise InvalidInput("the environment's conda_file is no conda file", hint="channels, dependencies and their pip")
    conda, left_out = azure_packages.parted_conda(conda)
    if left_out:
        log.warning("%s", azure_packages.told(left_out))
    own = {environment_spec.REQUIREMENTS, environment_spec.PYTHON_ENV, environment_spec.CONDA, "constraints.txt"}
    target = laid_out(home, revision) / folder.name
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=".draft-"))
    try:
        shutil.copytree(folder, draft, copy_function=os.link, dirs_exist_ok=True, ignore=_only_in(folder, own))
        (draft / environment_spec.CONDA).write_text(yaml.safe_dump(conda, sort_keys=False))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(draft, target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise ModelNotLoadable(f"cannot lay out the model with its environment: {error}") from None
    return target


def _only_in(top: Path, names: set[str]) -> Callable[[str, list[str]], set[str]]:
    """For copytree: leaves out these names of the uppermost folder."""
    return lambda folder, _: names if Path(folder) == top else set()


@contextmanager
def _told_in(file: Path) -> Iterator[None]:
    """What is logged in this thread meanwhile stands in the file, too."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    mine = threading.get_ident()
    handler.addFilter(lambda record: record.thread == mine)
    logger = logging.getLogger("modelport")
    logger.addHandler(handler)
    try:
        yield
    except Exception as error:
        log.error("%s", error)
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
