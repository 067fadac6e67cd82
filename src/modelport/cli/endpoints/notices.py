"""What a file asks for and means nothing here, as the server found it: told on standard error."""

from modelport.cli.endpoints.command import log
from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.online_endpoint import OnlineEndpoint


def tell_notices(found: OnlineEndpoint | OnlineDeployment) -> None:
    """One line each."""
    for notice in found.notices:
        log.warning("%s", notice)
