"""``Connection``: requests to one server over connections that are kept, again where that is safe."""

import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)

from modelport.client.errors import NotReachable, as_raised
from modelport.errors import ModelportError

PREFIX = "/api/v1"
CONNECT_TIMEOUT = 5.0
PATIENCE = 10.0
"""Seconds for which a request that may be repeated is, while connections break: a control process that is replaced answers
within that time. Nobody listening at all is told at once."""
PAUSE = 0.2
REPEATABLE = frozenset({"GET", "HEAD"})
CHUNK = 1 << 20


def path(*parts: str) -> str:
    """The parts, each quoted, under the API's prefix."""
    quoted = [quote(part, safe="") if part not in (".", "..") else part.replace(".", "%2E") for part in parts]
    return "/".join([PREFIX, *quoted])


class Connection:
    """``verify``: check the server's certificate, or the file of the authorities to check it with."""

    def __init__(self, url: str, key: str, *, verify: bool | str, timeout: float) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if verify else ssl.CERT_NONE}
        if isinstance(verify, str):
            options["ca_certs"] = verify
        self._pool = urllib3.PoolManager(maxsize=10, **options)
        self._timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=timeout)

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        json: Any = None,
        repeatable: bool | None = None,
        missing_is_none: bool = False,
    ) -> bytes | None:
        """The answer's body. ``repeatable``: asking twice does no more than asking once; None: what the method says.

        Raises:
            ModelportError: what the answer tells; None instead, for 404, with ``missing_is_none``.
        """
        given = {name: _spelled(value) for name, value in (query or {}).items() if value is not None}
        url = f"{self.url}{path}?{urlencode(given)}" if given else self.url + path
        safe = method in REPEATABLE if repeatable is None else repeatable
        response = self._sent(method, url, safe, headers=self._headers, json=json)
        if response.status == 404 and missing_is_none:
            return None
        return self._checked(response, self.url)

    def send(self, path: str, pieces: Iterable[bytes], content_type: str) -> bytes:
        """POST what comes in pieces."""
        headers = {**self._headers, "Content-Type": content_type}
        response = self._sent("POST", self.url + path, False, headers=headers, body=pieces)
        return self._checked(response, self.url)

    def stream(self, path: str) -> Iterator[bytes]:
        """GET what is larger than memory; an error is raised here and now, not when the first piece is taken."""
        response = self._sent("GET", self.url + path, True, headers=self._headers, preload_content=False)
        if response.status >= 400:
            self._checked(response, self.url)
        return self._pieces(response)

    def ask_elsewhere(self, url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """GET, or POST of a body, from another server, without this one's key: status and body of the answer."""
        response = self._sent("GET" if body is None else "POST", url, body is None, headers=headers, body=body)
        return response.status, response.data

    def close(self) -> None:
        """Close what is kept open."""
        self._pool.clear()

    def _sent(self, method: str, url: str, safe: bool, **options: Any) -> urllib3.BaseHTTPResponse:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._pool.request(method, url, timeout=self._timeout, retries=False, redirect=False, **options)
            except ProtocolError as error:
                if not safe:
                    hint = None if method == "GET" else "Whether it was done is not known: look before you ask again."
                    raise NotReachable(f"the connection to {_host(url)} broke: {error}", hint=hint) from None
                if time.monotonic() + PAUSE > deadline:
                    raise NotReachable(f"the connection to {_host(url)} breaks again and again: {error}") from None
                time.sleep(PAUSE)
            except HTTPError as error:
                raise _unreachable(url, error) from None

    def _checked(self, response: urllib3.BaseHTTPResponse, source: str) -> bytes:
        try:
            body = response.data
        except HTTPError as error:
            raise _unreachable(self.url, error) from None
        if response.status >= 300:
            raise as_raised(response.status, body, source)
        return body

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(CHUNK)
        except HTTPError as error:
            raise _unreachable(self.url, error) from None
        finally:
            response.close()


def _unreachable(url: str, error: HTTPError) -> ModelportError:
    host = _host(url)
    if isinstance(error, NewConnectionError):
        hint = "Is `modelport up` running? MODELPORT_URL tells where, MODELPORT_SCORING_URL where predictions are answered."
        return NotReachable(f"nothing answers at {host}", hint=hint)
    if isinstance(error, ConnectTimeoutError):
        return NotReachable(f"{host} did not answer within {CONNECT_TIMEOUT:.0f} s")
    if isinstance(error, SSLError):
        return NotReachable(f"{host} cannot be trusted: {error}")
    if isinstance(error, LocationParseError):
        return NotReachable(f"{url!r} is no address")
    return NotReachable(f"{host} cannot be reached: {error}")


def _host(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
