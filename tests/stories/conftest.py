"""Every story gets a world of its own, in a transaction that is rolled back."""

import pytest

from tests.world import World


@pytest.fixture
def world(db: None, request: pytest.FixtureRequest) -> World:
    return World(rewrite_golden=request.config.getoption("--golden"))
