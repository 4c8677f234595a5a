"""A CLN of their own for the journeys of a module, and a real Chromium to look at it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visitor import Visitor
from tests.serving import free_port, start_cln

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve CLN over an empty data directory, on 31 January 2026, and give its address."""
    folder = Path(tempfile.mkdtemp(prefix="cln-browser-"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = start_cln("serve", "--port", str(port), "--web", "1", data_dir=folder / "var")
    assert serve.stdout is not None
    try:
        assert serve.stdout.readline() == f"CLN is up at {url}\n"
        clock = start_cln("clock", "set", "2026-01-31", data_dir=folder / "var")
        assert clock.communicate(timeout=60) == ("2026-01-31 00:00:00 UTC\n", "")
        yield url
    finally:
        serve.terminate()
        rest, errors = serve.communicate(timeout=40)
        shutil.rmtree(folder)
    assert (serve.returncode, rest, errors) == (0, "", "")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Run one Chromium for a module: playwright's event loop would trouble Django's tests."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def visitor(
    site: str, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Visitor]]:
    """Give a maker of people with a browser window each; none may have met an error at the end."""
    visitors: list[Visitor] = []

    def arrive(*, javascript: bool = True, by: str = "127.0.0.1") -> Visitor:
        address = site.replace("127.0.0.1", by)
        visitors.append(Visitor(browser, address, journey=request.node.name, javascript=javascript))
        return visitors[-1]

    yield arrive
    for one in visitors:
        one.leave()
    assert [trouble for one in visitors for trouble in one.troubles] == []
