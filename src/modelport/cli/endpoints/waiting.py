"""A command waits until what it began has ended, and fails if that failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelport.cli.endpoints.progress import progress

if TYPE_CHECKING:
    from modelport.client.client import Client
    from modelport.domain.online_deployment import OnlineDeployment
    from modelport.domain.online_endpoint import OnlineEndpoint


def wait_for_endpoint(client: "Client", name: str) -> "OnlineEndpoint":
    """The endpoint as it is in the end.

    Raises:
        ProvisioningFailed: it failed.
    """
    what = f"endpoint '{name}'"
    with progress(what) as tell, _explained(what):
        return client.wait_for_online_endpoint(name, on_state=tell)


def wait_for_deployment(client: "Client", endpoint_name: str, name: str) -> "OnlineDeployment":
    """The deployment as it is in the end.

    Raises:
        ProvisioningFailed: it failed.
    """
    what = f"deployment '{name}'"
    log = f"modelport online-deployment get-logs -n {name} -e {endpoint_name}"
    with (
        progress(what) as tell,
        _explained(what, f"{log} shows its log; with -c storage-initializer how it was prepared."),
    ):
        return client.wait_for_online_deployment(endpoint_name, name, on_state=tell)


def wait_until_endpoint_is_gone(client: "Client", name: str) -> None:
    """Until nothing is left of it.

    Raises:
        ProvisioningFailed: it could not be deleted.
    """
    with progress(f"endpoint '{name}'") as tell:
        client.wait_until_online_endpoint_is_gone(name, on_state=tell)


def wait_until_deployment_is_gone(client: "Client", endpoint_name: str, name: str) -> None:
    """Until nothing is left of it.

    Raises:
        ProvisioningFailed: it could not be deleted.
    """
    with progress(f"deployment '{name}'") as tell:
        client.wait_until_online_deployment_is_gone(endpoint_name, name, on_state=tell)


@contextmanager
def _explained(what: str, log: str | None = None) -> Iterator[None]:
    """A failure in one block: which, the first line of why, and where there is more to read."""
    from modelport.client.errors import ProvisioningFailed

    try:
        yield
    except ProvisioningFailed as error:
        first, *rest = error.message.strip().splitlines() or ["it does not say why"]
        if what not in first:
            first = f"{what} is {error.outcome.provisioning_state}: {first}"
        raise ProvisioningFailed(
            "\n  ".join([first, *rest]),
            outcome=error.outcome,
            code=error.code,
            hint="\nhint: ".join(line for line in (error.hint, log) if line) or None,
        ) from None
