"""An account that pages are about."""

import pytest
from django.test import Client

from cln.accounts.models import Account
from tests.visitors import a_visitor, with_licenses


@pytest.fixture
def shop(db: None) -> tuple[Account, Client]:
    """A customer with five licenses of CloudLinux OS, signed in."""
    account, client = a_visitor()
    with_licenses(account, 5)
    return account, client
