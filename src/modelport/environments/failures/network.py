"""Indexes that do not answer, or answer somebody else."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from modelport.environments.failures.cause import failed
from modelport.errors import EnvironmentFailed

_REFUSED = re.compile(r"\b(?P<status>401|403) (?:Unauthorized|Forbidden)")
_LACKS_CREDENTIALS = re.compile(r"An index(?: URL)? \((?P<url>[^)\s]+)\)")
_URL = re.compile(r"(?:for url \(|`|\()(?P<url>https?://[^\s`)]+)")
_GONE = re.compile(r"\(404 Not Found\)")
_CERTIFICATE = re.compile(r"invalid peer certificate: ?(\w+)|certificate verify failed|UnknownIssuer")
_UNREACHABLE = re.compile(
    r"error sending request|tcp connect error|dns error|timed out|Connection (?:refused|reset)|Could not connect|"
    r"HTTP status server error|Request failed after"
)


def of_network(output: str, log: Path) -> EnvironmentFailed | None:
    """What uv's output says of the network; None where that is not the cause."""
    status = _REFUSED.search(output)
    if status is not None:
        address = _address(output)
        return failed(
            "ENVIRONMENT_CREDENTIALS_REFUSED",
            f"{_place(address)} lets nobody in without credentials, or not with these (status {status['status']})",
            f"Put the user and password of this index into ~/.netrc: machine {_host(address)} login USER password PASSWORD",
            log,
        )
    if _CERTIFICATE.search(output):
        return failed(
            "ENVIRONMENT_INDEX_UNREACHABLE",
            f"{_place(_address(output))} has a certificate that this machine does not trust",
            "Name the file of its authority's certificate: SSL_CERT_FILE=/path/to/authority.pem.",
            log,
        )
    if _UNREACHABLE.search(output):
        return failed(
            "ENVIRONMENT_INDEX_UNREACHABLE",
            f"{_place(_address(output))} cannot be reached: {_reason(output)}",
            "Check its address and the network (HTTPS_PROXY names a proxy), then try again; "
            "--offline takes what was downloaded earlier.",
            log,
        )
    if _GONE.search(output) and "Failed to" in output:
        return failed(
            "ENVIRONMENT_INDEX_UNREACHABLE",
            f"there is nothing at {_address(output)} (status 404)",
            "Correct the address in the model's requirements, or the index that was configured.",
            log,
        )
    return None


def _address(output: str) -> str | None:
    found = _LACKS_CREDENTIALS.search(output) or _URL.search(output)
    return None if found is None else found["url"]


def _host(address: str | None) -> str:
    return (urlsplit(address).hostname if address else None) or "HOST"


def _place(address: str | None) -> str:
    if address is None:
        return "an index of packages"
    parts = urlsplit(address)
    return f"the index of packages at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _reason(output: str) -> str:
    causes = re.findall(r"(?:cause|Caused by): ([^\n]+)", output)
    return causes[-1].strip() if causes else " ".join(output.split())[-200:]
