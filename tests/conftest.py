"""Plumbing of all tests: the database, the marker of each tier, hypothesis profiles.

Django is imported inside fixtures only: the domain's tests run without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.browser import find_chromium

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker
    from pytest_django.fixtures import Settings

    from tests.vendor import Vendor

TESTS_DIR = Path(__file__).resolve().parent
TIERS = ("domain", "db", "web", "contract", "stories", "browser")

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
hypothesis.settings.register_profile("deep", max_examples=5_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--golden` writes the golden files anew: the diff is the review."""
    parser.addoption("--golden", action="store_true", help="rewrite tests/golden")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, the folder it lies in; of the random order, long ones first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        tier = item.path.relative_to(TESTS_DIR).parts[0]
        if tier in TIERS:
            item.add_marker(tier)
        if tier == "browser" and find_chromium() is None:
            if os.environ.get("CI") == "true":
                raise pytest.UsageError("CI=true runs the browser tests, and no Chromium is here")
            item.add_marker(pytest.mark.skip("no Chromium was found"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of the browser, for `playwright.chromium.launch(executable_path=…)`."""
    found = find_chromium()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def no_secret_is_logged() -> Iterator[None]:
    """Look for every secret that the run hands out in all that it logs (security §5)."""
    from tests.log_scan import scanning

    with scanning():
        yield


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_blocker: DjangoDbBlocker, no_secret_is_logged: None
) -> Iterator[None]:
    """Give this process a database of its own, cloned from a template the migrations made."""
    from django.db import connections

    from tests.cluster import migrated_database, use_database

    with django_db_blocker.unblock(), migrated_database() as url:
        use_database(url)
        yield
        connections.close_all()


@pytest.fixture
def vendor(settings: Settings) -> Iterator[Vendor]:
    """A payment vendor that this installation is configured to use."""
    from tests.vendor import Vendor

    with Vendor() as vendor:
        for name, value in vendor.environment.items():
            setattr(settings, name, value)
        yield vendor
