"""Acme with two CloudLinux licenses, and a machine of theirs that speaks RHN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cln.accounts.models import Account
from cln.api import limits
from cln.licensing.models import ActivationKey
from tests.licensing import an_account, bought
from tests.rhn import call, machine


@pytest.fixture(autouse=True)
def full_buckets() -> Iterator[None]:
    """The tries are counted in the memory of the process; each test has all of its own."""
    limits.servers.clear()
    yield
    limits.servers.clear()


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def key(acme: Account) -> ActivationKey:
    return bought(acme, "cloudlinux", 2)


@pytest.fixture
def systemid(key: ActivationKey) -> str:
    """The document of a machine that has registered."""
    return str(call("registration.new_system", machine(key)))
