"""The client that commands speak through: where the server is and who asks, ``MODELPORT_URL`` and ``MODELPORT_KEY`` say."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelport.client.client import Client


def connect() -> "Client":
    """A client as the variables and the home folder want it."""
    from modelport.client.client import Client

    return Client()
