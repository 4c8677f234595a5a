"""The CLN that all journeys of a process share, and a real Chromium to look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from pytest_django import DjangoDbBlocker

from tests.browser.people import People
from tests.browser.site import Site, serving
from tests.browser.visitor import PATIENCE, Visitor
from tests.cluster import migrated_database

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def served(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """Serve CLN over an empty database."""
    with migrated_database("site") as url, serving(url, django_db_blocker) as site:
        yield site


@pytest.fixture
def site(served: Site) -> Site:
    """Give the CLN that is served, on 31 January 2026."""
    served.starts_over()
    return served


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Run one Chromium for a module: playwright's event loop would trouble Django's tests."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def visitor(
    site: Site, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Visitor]]:
    """Give a maker of people with a browser window each; none may have met an error at the end."""
    visitors: list[Visitor] = []

    def arrive(*, javascript: bool = True, by: str = "127.0.0.1") -> Visitor:
        address = site.url.replace("127.0.0.1", by)
        visitors.append(Visitor(browser, address, journey=request.node.name, javascript=javascript))
        return visitors[-1]

    yield arrive
    for one in visitors:
        one.leave()
    assert [trouble for one in visitors for trouble in one.troubles] == []


@pytest.fixture
def people(site: Site, visitor: Callable[..., Visitor]) -> People:
    """Give a maker of people who have an account already and are signed in."""
    return People(site, visitor)
