"""What a URL means as the target of a load."""

import pytest

from modelport.errors import InvalidInput
from modelport.load.target import Target


@pytest.mark.parametrize(
    ("url", "address", "local"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/invocations", True),
        ("127.0.0.1:5000/", "http://127.0.0.1:5000/invocations", True),
        ("localhost:8080/score", "http://localhost:8080/score", True),
        ("https://[::1]:5000/x?a=b", "https://[::1]:5000/x?a=b", True),
        ("https://models.example/models/a/invocations", "https://models.example/models/a/invocations", False),
        ("http://10.0.0.1", "http://10.0.0.1/invocations", False),
        ("http://localhost.example/", "http://localhost.example/invocations", False),
    ],
)
def test_a_url_names_an_endpoint(url: str, address: str, local: bool) -> None:
    target = Target.parse(url)
    assert (str(target), target.is_loopback) == (address, local)


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "http://x:port", "http://me:secret@x", "http://x/é", "http://x/a b"]
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        Target.parse(url)


@pytest.mark.parametrize(
    ("path", "route", "document"),
    [
        ("/invocations?stream=true", "/invocations", "/openapi.json"),
        ("/models/a/invocations", "/invocations", "/models/a/openapi.json"),
        ("/models/a/score", "/score", "/models/a/openapi.json"),
        ("/v2/models/m/infer", "/v2/models/m/infer", "/openapi.json"),
        ("/models/a/v2/models/a/infer", "/v2/models/a/infer", "/models/a/openapi.json"),
        ("/predict", None, None),
    ],
)
def test_a_route_has_its_document_beside_it(path: str, route: str | None, document: str | None) -> None:
    target = Target.parse(f"http://127.0.0.1:5000{path}")
    assert target.route == route
    assert (target.document.path if target.document else None) == document
