"""`/docs`: a page that needs nothing but what this package brings."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest

from modelport.serving import docs_page

STATIC = Path(docs_page.__file__).with_name("static")


def page(path: str) -> tuple[bytes, str]:
    found = docs_page.page(path)
    assert found is not None
    return found[0], found[1].decode()


def test_everything_the_page_refers_to_is_there_with_its_type() -> None:
    content_type, text = page("/docs")
    assert content_type == b"text/html; charset=utf-8"
    scripts = [urljoin("/docs", name) for name in re.findall(r'<script src="([^"]+)"', text)]
    styles = [urljoin("/docs", name) for name in re.findall(r'<link rel="stylesheet" href="([^"]+)"', text)]
    assert scripts == ["/docs/swagger-ui-bundle.js", "/docs/docs.js"]
    assert styles == ["/docs/swagger-ui.css"]
    assert {page(path)[0] for path in scripts} == {b"text/javascript; charset=utf-8"}
    assert {page(path)[0] for path in styles} == {b"text/css; charset=utf-8"}
    assert len(page(scripts[0])[1]) > 1_000_000


def test_the_page_has_no_inline_script_and_fetches_nothing_from_elsewhere() -> None:
    _, text = page("/docs")
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"\son\w+=|javascript:", text) == []
    own = page("/docs/docs.js")[1]
    assert not re.search(r"(https?:)?//\w", text + own.replace("// Shows", ""))
    assert "validatorUrl: null" in own  # else Swagger UI sends the document's address to a site
    fetched = re.findall(r"(?:@import\s+|url\(\s*[\"']?)([^\s\"')]{0,20})", page("/docs/swagger-ui.css")[1])
    assert fetched
    assert [target for target in fetched if not target.startswith("data:")] == []


def test_the_files_are_those_that_were_taken_over() -> None:
    recorded = dict(re.findall(r"\| `([^`]+)` \| `([0-9a-f]{64})` \|", (STATIC / "README.md").read_text()))
    assert set(recorded) == {"swagger-ui-bundle.js", "swagger-ui.css"}
    for name, digest in recorded.items():
        content = (STATIC / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
        assert b"sourceMappingURL" not in content
        assert content.endswith(b"\n")


def test_the_licences_come_along() -> None:
    assert "Apache License" in (STATIC / "LICENSE").read_text()
    assert (STATIC / "NOTICE").read_text().startswith("swagger-ui")
    assert (STATIC / "swagger-ui-bundle.js.LICENSE.txt").read_text()


@pytest.mark.parametrize("path", ["/docs/", "/docs/docs.html", "/docs/README.md", "/docs/../docs_page.py", "/", ""])
def test_nothing_else_is_given_out(path: str) -> None:
    assert docs_page.page(path) is None


def test_a_browser_is_told_to_fetch_nothing_from_elsewhere() -> None:
    policy = dict(part.strip().split(" ", 1) for part in docs_page.CONTENT_SECURITY_POLICY.split(";"))
    assert policy == {"default-src": "'self'", "style-src": "'self' 'unsafe-inline'", "img-src": "'self' data:"}
