"""Wanted and actual, brought together: environments prepared, tables sent, states moved on. Nobody waits for it.

It may end between any two lines: whatever it knows beyond the store it is told again, by the supervisor's reports.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from modelport.control import logs, preparing, routing
from modelport.control.counting import Counted
from modelport.control.routing import Stored
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpoint
from modelport.domain.revision import Revision
from modelport.domain.states import STEPS, ProvisioningState
from modelport.environments.failures.loading import of_starting
from modelport.errors import ModelportError, StoreFailed, WorkerFailed
from modelport.settings import UpSettings
from modelport.store.content import ContentStore
from modelport.store.store import Store
from modelport.store.transaction import Transaction
from modelport.supervisor.table import Report, Table
from modelport.workers.spec import WorkerSpec

log = logging.getLogger("modelport.control")

BUILDERS = 2
"""Environments that are prepared at once."""
SETTLED_WITHIN = 5.0
"""Seconds that a key which was made or ended is waited for to be known, or no more, everywhere."""
LONGEST_REST = 0.1
"""Seconds. After each pass it rests for as long as that took: while much is changed at once, requests get their turn."""
INTERVAL = 30.0
"""Seconds after which it looks though nobody woke it: tokens expire."""
_STATES = ProvisioningState
Step = Callable[[Transaction], None]
_BUSY = frozenset({_STATES.CREATING, _STATES.UPDATING, _STATES.SCALING})


@dataclass(frozen=True)
class _Sent:
    """A table on its way, and what has happened once it is in force."""

    table: Table
    endpoints: frozenset[str]
    """Ids of those that waited for it."""
    revisions: frozenset[tuple[str, int]]
    """The live ones in it."""


class Reconciler:
    """One thread, and those that prepare environments. ``send`` hands a table to the supervisor; ``forget`` what was counted at
    a position."""

    def __init__(
        self,
        store: Store,
        content: ContentStore,
        settings: UpSettings,
        send: Callable[[Table], None],
        forget: Callable[[int], None],
    ) -> None:
        self._store = store
        self._content = content
        self._settings = settings
        self._send = send
        self._forget = forget
        self._woken = threading.Event()
        self._settled = threading.Condition()
        self._begun = self._ended = 0
        """Passes."""
        self._stopping = False
        self._reports: dict[str, Report] = {}
        self._sent: _Sent | None = None
        self._applied = 0
        self._preparing: set[tuple[str, int]] = set()
        self._renewed = False
        self._stored = Stored([], {}, [], {}, [])
        """As the last pass found it: whoever asks how things are is told, also while the store is away."""
        self._builders = ThreadPoolExecutor(BUILDERS, thread_name_prefix="prepare")
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """What is there is known at once, to whoever counts; what is wanted is made so by a thread.

        Raises:
            StoreFailed: the store cannot be read now.
        """
        with self._store.reading() as transaction:
            self._stored = Stored.read(transaction)
        self._thread.start()

    def stop(self) -> None:
        """Ends what can be ended; an environment that is being built is built again the next time."""
        self._stopping = True
        self._woken.set()
        self._builders.shutdown(wait=False, cancel_futures=True)
        self._thread.join(10)

    # -- what others tell ----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something else is wanted."""
        self._woken.set()

    def settle(self, timeout: float = SETTLED_WITHIN) -> None:
        """Returns once what is wanted now is routed by every scoring process, or when the time is over."""
        with self._settled:
            target = self._begun + 1
            self._woken.set()
            self._settled.wait_for(lambda: self._ended >= target and self.is_applied, timeout)

    @property
    def is_applied(self) -> bool:
        """Whether every scoring process routes by the last table."""
        return self._sent is not None and self._applied == self._sent.table.version

    def reported(self, report: Report) -> None:
        """What the supervisor says of a set of workers."""
        if report.state == "gone":
            self._reports.pop(report.id, None)
        else:
            self._reports[report.id] = report
        self.wake()

    def applied(self, version: int) -> None:
        """Every scoring process routes by this table."""
        with self._settled:
            self._applied = max(self._applied, version)
            self._settled.notify_all()
        self.wake()

    def reports(self, deployment_id: str) -> list[Report]:
        """Of the sets of this deployment."""
        return [report for id, report in list(self._reports.items()) if id.split("/")[2].startswith(deployment_id[:8])]

    def all_reports(self) -> list[dict[str, Any]]:
        """Of all sets, as JSON has them; what a worker said of its libraries is left out."""
        return [{**report.as_dict(), "facts": {}} for report in list(self._reports.values())]

    def ready(self, deployment_id: str) -> int:
        """How many of its workers can be given requests; those of a set that is leaving, or has not come, cannot."""
        sent = self._sent
        reports = self.reports(deployment_id)
        if sent is not None:
            routed = {route.workers for endpoint in sent.table.endpoints for route in endpoint.deployments}
            reports = [report for report in reports if report.id in routed]
        return sum(report.ready for report in reports)

    # -- the loop ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            with self._settled:
                self._begun += 1
            wait = INTERVAL
            began = time.monotonic()
            try:
                self._pass()
                with self._settled:
                    self._ended = self._begun
                    self._settled.notify_all()
            except StoreFailed as error:
                log.error("%s", error)
                wait = 1.0
            except Exception:
                log.exception("what is wanted cannot be made so")  # the next pass may
                wait = 5.0
            time.sleep(min(time.monotonic() - began, LONGEST_REST))
            self._woken.wait(wait)

    def _pass(self) -> None:
        if not self._renewed:
            self._renew()
            self._renewed = True
        with self._store.reading() as transaction:
            stored = Stored.read(transaction)
        if self._look(stored):  # looked at again, as they may be others by now
            with self._store.writing() as transaction:
                for change in self._look(Stored.read(transaction)):
                    change(transaction)
                stored = Stored.read(transaction)
        self._stored = stored
        self._send_table(stored)

    def _renew(self) -> None:
        """After an upgrade, a move or another flag: prepare anew what would be prepared otherwise now. What answers goes on."""
        with self._store.writing() as transaction:
            for deployment in transaction.deployments():
                revisions = transaction.revisions(deployment.id)
                last = revisions[-1] if revisions else None
                if last is None or last.workers is None or preparing.is_current(last, self._settings):
                    continue
                if last.state == "starting":
                    transaction.put_revision(last.model_copy(update={"state": "wanted", "workers": None}))
                elif last.state == "live" and deployment.provisioning_state != _STATES.DELETING:
                    log.info("%s/%s is prepared anew", deployment.endpoint_name, deployment.name)
                    changed = {"number": last.number + 1, "state": "wanted", "workers": None}
                    transaction.put_revision(last.model_copy(update=changed))

    def _look(self, stored: Stored) -> list[Step]:
        """The steps that can be taken now."""
        steps: list[Step] = []
        deployments = stored.deployments
        revisions: dict[str, list[Revision]] = {}
        for revision in stored.revisions:
            revisions.setdefault(revision.deployment_id, []).append(revision)
        for id, deployment in deployments.items():
            of_it = revisions.get(id, [])
            if deployment.provisioning_state == _STATES.DELETING:
                if self._is_gone(of_it):
                    steps.append(partial(self._remove, deployment=deployment))
                continue
            for revision in of_it:
                self._look_at(deployment, revision, of_it, steps)
            if deployment.provisioning_state in _BUSY and of_it and self._is_in_force(deployment, of_it[-1]):
                steps.append(partial(_succeed, deployment=deployment))
        with_deployments = {deployment.endpoint_name for deployment in deployments.values()}
        for endpoint in stored.endpoints:
            if endpoint.provisioning_state == _STATES.DELETING:
                if endpoint.name not in with_deployments and self._is_out_of_force(endpoint.name):
                    steps.append(partial(_remove_endpoint, endpoint=endpoint))
            elif (
                endpoint.provisioning_state in _BUSY
                and self._sent is not None
                and endpoint.id in self._sent.endpoints
                and self.is_applied
            ):
                steps.append(partial(_endpoint_succeeds, endpoint=endpoint))
        return steps

    def _look_at(
        self,
        deployment: OnlineDeployment,
        revision: Revision,
        of_it: list[Revision],
        steps: list[Step],
    ) -> None:
        report = self._report(revision)
        if revision.state == "wanted":
            self._begin_preparing(deployment, revision)
        elif revision.state == "starting" and report is not None:
            if report.state == "ready":
                steps.append(partial(_go_live, deployment=deployment, revision=revision, of_it=of_it))
            elif report.state == "failed":
                steps.append(partial(self._fail_to_start, deployment=deployment, revision=revision, report=report))

    def _report(self, revision: Revision) -> Report | None:
        return None if revision.workers is None else self._reports.get(str(revision.workers["id"]))

    def _is_in_force(self, deployment: OnlineDeployment, last: Revision) -> bool:
        """Whether what is wanted of it is what answers."""
        sent, report = self._sent, self._report(last)
        if last.state != "live" or sent is None or report is None or not self.is_applied:
            return False
        if (last.deployment_id, last.number) not in sent.revisions:
            return False
        if not any(
            workers.count == last.spec.instance_count for workers in sent.table.workers if workers.id == report.id
        ):
            return False
        return deployment.provisioning_state != _STATES.SCALING or report.ready >= last.spec.instance_count

    def _is_gone(self, revisions: list[Revision]) -> bool:
        """Whether nothing of it runs or is routed to any more."""
        ids = {str(revision.workers["id"]) for revision in revisions if revision.workers is not None}
        sent = self._sent
        if sent is None or not self.is_applied:
            return False
        return not ids & {workers.id for workers in sent.table.workers} and not ids & set(self._reports)

    def _is_out_of_force(self, endpoint: str) -> bool:
        sent = self._sent
        if sent is None or not self.is_applied:
            return False
        return all(route.name != endpoint for route in sent.table.endpoints)

    def _remove(self, transaction: Transaction, deployment: OnlineDeployment) -> None:
        for revision in transaction.revisions(deployment.id):
            transaction.remove_revision(deployment.id, revision.number)
            if revision.position is not None:
                self._forget(revision.position)
        transaction.remove_deployment(deployment.endpoint_name, deployment.name)
        logs.left(logs.folder(self._settings.home, deployment))

    def all_ready(self) -> dict[str, int]:
        """Deployment's id → how many of its workers can be given requests."""
        return {id: self.ready(id) for id in self._stored.deployments}

    def counted(self) -> dict[int, Counted]:
        """What is counted at which position."""
        stored = self._stored
        found = {}
        for revision in stored.revisions:
            deployment = stored.deployments.get(revision.deployment_id)
            if deployment is not None and revision.position is not None:
                reports = self.reports(deployment.id)
                found[revision.position] = Counted(
                    deployment.id,
                    deployment.endpoint_name,
                    deployment.name,
                    sum(report.restarts for report in reports),
                    [pid for report in reports for pid in report.pids],
                )
        return found

    # -- preparing -----------------------------------------------------------------------------------------------------

    def _begin_preparing(self, deployment: OnlineDeployment, revision: Revision) -> None:
        key = (revision.deployment_id, revision.number)
        if key not in self._preparing and not self._stopping:
            self._preparing.add(key)
            self._builders.submit(self._prepare, deployment, revision, key)

    def _prepare(self, deployment: OnlineDeployment, revision: Revision, key: tuple[str, int]) -> None:
        workers: dict[str, Any] | None = None
        error: ModelportError | None = None
        try:
            workers = preparing.prepare(deployment, revision, self._store, self._content, self._settings)
        except ModelportError as failure:
            error = failure
        except Exception as failure:  # whatever it is, the deployment says so
            log.exception("cannot prepare %s/%s", deployment.endpoint_name, deployment.name)
            error = ModelportError(f"cannot prepare it: {failure}")
        while not self._stopping:
            try:
                with self._store.writing() as transaction:
                    found = [
                        one for one in transaction.revisions(key[0]) if one.number == key[1] and one.state == "wanted"
                    ]
                    if not found:
                        pass  # it was deleted meanwhile
                    elif error is not None:
                        _fail(transaction, found[0], error)
                    else:
                        transaction.put_revision(found[0].model_copy(update={"workers": workers, "state": "starting"}))
                break
            except StoreFailed as failure:
                log.error("%s", failure)
                time.sleep(1)
        self._preparing.discard(key)
        self.wake()

    def _fail_to_start(
        self, transaction: Transaction, deployment: OnlineDeployment, revision: Revision, report: Report
    ) -> None:
        """What stopped its workers was told to the supervisor; whoever reads the deployment's log finds it there as well."""
        error = self._explained(revision, report)
        logs.told(
            logs.path(self._settings.home, deployment, "inference-server"),
            (error.traceback or "") + f"{error.message}\n",
        )
        _fail(transaction, revision, error)

    def _explained(self, revision: Revision, report: Report) -> ModelportError:
        told = report.error or {}
        error = WorkerFailed(
            told.get("message", "its workers did not start"),
            code=told.get("code"),
            hint=told.get("hint"),
            traceback=told.get("traceback"),
        )
        assert revision.workers is not None
        try:
            return of_starting(error, WorkerSpec.from_dict(revision.workers["spec"]))
        except OSError:  # what it would look at is not there
            return error

    # -- the table -----------------------------------------------------------------------------------------------------

    def _send_table(self, stored: Stored) -> None:
        wanted = routing.table(stored)
        endpoints = frozenset(endpoint.id for endpoint in stored.endpoints if endpoint.provisioning_state in _BUSY)
        live = frozenset(
            (revision.deployment_id, revision.number) for revision in stored.revisions if revision.state == "live"
        )
        if self._sent is not None and self._applied <= self._sent.table.version:  # else it was left out, as an old one
            version = self._sent.table.version
            if replace(wanted, version=version) == self._sent.table:
                again = _Sent(self._sent.table, endpoints, live)
                if again != self._sent:
                    self._sent = again
                    self.wake()
                return
        with self._store.writing() as transaction:
            version = transaction.next_version()
        # Above that of every control process before, also of those with another store: so many are not sent in a microsecond.
        version = max(version, time.time_ns() // 1000, self._applied + 1)
        if self._sent is not None:
            version = max(version, self._sent.table.version + 1)
        self._sent = _Sent(replace(wanted, version=version), endpoints, live)
        self._send(self._sent.table)


def _go_live(transaction: Transaction, deployment: OnlineDeployment, revision: Revision, of_it: list[Revision]) -> None:
    """It answers from now on, in the place of the one before."""
    for other in of_it:
        if other.number != revision.number and other.state in ("live", "failed"):
            transaction.remove_revision(deployment.id, other.number)
    transaction.put_revision(revision.model_copy(update={"state": "live", "takes_all_traffic": False}))
    if revision.takes_all_traffic:
        endpoint = transaction.endpoint(deployment.endpoint_name)
        if endpoint is not None:
            moved = {"traffic": {deployment.name: 100}, "mirror_traffic": {}}
            transaction.replace_endpoint(endpoint.model_copy(update=moved))


def _fail(transaction: Transaction, revision: Revision, error: ModelportError) -> None:
    """The revision cannot be; what answered before goes on answering."""
    transaction.put_revision(revision.model_copy(update={"state": "failed"}))
    for deployment in transaction.deployments():
        if deployment.id == revision.deployment_id and _STATES.FAILED in STEPS[deployment.provisioning_state]:
            told = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
            transaction.replace_deployment(
                deployment.model_copy(update={"provisioning_state": _STATES.FAILED, "error": told})
            )


def _succeed(transaction: Transaction, deployment: OnlineDeployment) -> None:
    done = {"provisioning_state": _STATES.SUCCEEDED, "error": None}
    transaction.replace_deployment(deployment.model_copy(update=done))


def _remove_endpoint(transaction: Transaction, endpoint: OnlineEndpoint) -> None:
    transaction.remove_credentials(endpoint.id)
    transaction.remove_minutes_of(endpoint.name)
    transaction.remove_endpoint(endpoint.name)


def _endpoint_succeeds(transaction: Transaction, endpoint: OnlineEndpoint) -> None:
    transaction.replace_endpoint(endpoint.model_copy(update={"provisioning_state": _STATES.SUCCEEDED}))
