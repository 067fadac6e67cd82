"""What a load is put on: the address of a route, and what else is at that server."""

import ipaddress
import re
import ssl
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from modelport.errors import InvalidInput

DEFAULT_PATH = "/invocations"
_ROUTE = re.compile(r"(?P<base>.*?)(?P<route>/invocations|/score|/v2/models/[^/]+(?:/versions/[^/]+)?/infer)")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """A URL in its parts. ``path`` begins with a slash and includes the query."""

    scheme: str
    host: str
    port: int
    path: str = DEFAULT_PATH

    @classmethod
    def parse(cls, url: str) -> "Target":
        """The target that ``url`` names; ``/invocations`` where it has no path. Raises InvalidInput."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InvalidInput(f"{url!r} is no URL: {error}") from None
        if parts.scheme not in _PORTS or not host:
            raise InvalidInput(
                f"{url!r} is no URL of an endpoint", hint="give one like http://127.0.0.1:5000/invocations"
            )
        if parts.username is not None:
            raise InvalidInput("a URL with a user name is not read", hint="send it with --header 'Authorization: …'")
        path = DEFAULT_PATH if parts.path in ("", "/") else parts.path
        target = f"{path}?{parts.query}" if parts.query else path
        if not target.isascii() or not target.isprintable() or " " in target:
            raise InvalidInput(f"the path {target!r} must be percent-encoded")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], target)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this very machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def route(self) -> str | None:
        """The path as the server's OpenAPI document names it; None where it is no route for predictions."""
        found = self._parts()
        return found["route"] if found else None

    @property
    def document(self) -> "Target | None":
        """Where a Modelport server has the OpenAPI document of the model behind this route."""
        found = self._parts()
        return replace(self, path=found["base"] + "/openapi.json") if found else None

    @property
    def metrics(self) -> "Target":
        """Where a Modelport server shows its metrics."""
        return replace(self, path="/metrics")

    def _parts(self) -> "re.Match[str] | None":
        return _ROUTE.fullmatch(self.path.partition("?")[0])

    def tls(self) -> ssl.SSLContext | None:
        """How to speak to it: the machine's authorities, or those of ``SSL_CERT_FILE``."""
        return ssl.create_default_context() if self.scheme == "https" else None
