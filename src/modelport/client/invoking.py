"""Predictions: an endpoint's address and credential, fetched once, and what it answers."""

import json
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from modelport.client.connection import Connection
from modelport.client.errors import of_endpoint
from modelport.domain.credentials import Credentials, Keys
from modelport.domain.online_endpoint import OnlineEndpoint

DEPLOYMENT_HEADER = "azureml-model-deployment"


@dataclass(frozen=True)
class Access:
    """Where an endpoint is asked, and with what."""

    scoring_uri: str
    openapi_uri: str
    secret: str
    """The key or token."""

    @classmethod
    def granted(cls, endpoint: OnlineEndpoint, credentials: Credentials) -> Self:
        """With a credential of the endpoint."""
        secret = credentials.primary_key if isinstance(credentials, Keys) else credentials.access_token
        return cls(endpoint.scoring_uri, endpoint.openapi_uri, secret)

    @classmethod
    def by_name(cls, scoring_url: str, endpoint: str, key: str) -> Self:
        """With a key that may only ask for predictions: nobody tells it more than the name."""
        address = f"{scoring_url}/endpoints/{quote(endpoint.lower(), safe='')}"
        return cls(f"{address}/score", f"{address}/swagger.json", key)


def as_body(data: Any) -> bytes:
    """Bytes and text as they are, anything else as JSON."""
    if isinstance(data, bytes):
        return data
    return data.encode() if isinstance(data, str) else json.dumps(data).encode()


def ask(connection: Connection, access: Access, url: str, body: bytes | None, deployment: str | None) -> bytes | None:
    """The answer to a POST of ``body``, or to a GET; None: the credential is valid no more.

    Raises:
        ModelportError: the answer tells an error.
    """
    headers = {"Authorization": f"Bearer {access.secret}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if deployment is not None:
        headers[DEPLOYMENT_HEADER] = deployment
    status, answer = connection.ask_elsewhere(url, body, headers)
    if status == 401:
        return None
    if status != 200:
        raise of_endpoint(status, answer, url)
    return answer
