"""People who have an account, a card and a history when their journey begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count

from cln.accounts.models import Account, Login
from cln.enums import Role
from cln.flows import ip_licenses
from cln.licensing.models import ActivationKey, Server
from cln.payments.gateways.sandbox import Script
from tests.browser.site import BEGIN, Site
from tests.browser.visitor import Visitor
from tests.customers import a_customer, buys, on_sale, use_card
from tests.licensing import registered
from tests.reselling import registers as registers_reseller
from tests.visitors import a_login

_ADDRESSES = count(1)


class People:
    """Makes them by the verbs, on the site of the journeys."""

    def __init__(self, site: Site, visitor: Callable[..., Visitor]) -> None:
        """Keep where they live and how they get a window."""
        self._site = site
        self._visitor = visitor

    def customer(
        self, name: str, owns: Mapping[str, int] | None = None, *, javascript: bool = True
    ) -> tuple[Visitor, Account]:
        """Make the owner of a new account that has a card and has bought, signed in."""
        account = self._site.does(a_customer, name.title())
        for license_type, quantity in (owns or {}).items():
            self._site.does(buys, account, quantity, license_type, now=BEGIN)
        return self.colleague(account, name, javascript=javascript), account

    def reseller(self, name: str, *, deposit_cents: int = 500_00) -> tuple[Visitor, Account]:
        """Make a reseller whose deposit is paid; a second login of theirs is signed in."""
        done = self._site.does(registers_reseller, name, cents=deposit_cents, now=BEGIN)
        account = self._site.does(Account.objects.get, pk=done.account_id)
        return self.colleague(account, name), account

    def colleague(
        self, account: Account, name: str, role: Role = Role.FULL, *, javascript: bool = True
    ) -> Visitor:
        """Make one more login of an account, signed in, with a window."""
        login: Login = self._site.does(a_login, account, role, name=name)
        person = self._visitor(javascript=javascript)
        # Each from an address of their own: the sign-in counts them.
        person.brings(self._site.session_of(login, address=f"192.0.2.{next(_ADDRESSES)}"))
        return person

    def has_card(self, account: Account, script: Script) -> None:
        """Replace the account's card; what is due is tried with it."""
        self._site.does(use_card, account, script)

    def asks_a_price(self, license_type: str, unit_cents: int) -> None:
        """Put on sale what the catalog sells on request only."""
        self._site.does(on_sale, license_type, unit_cents)

    def holds_address(self, account: Account, license_type: str, address: str) -> None:
        """License an address of a reseller."""
        self._site.does(
            ip_licenses.add_ip_license,
            account_id=account.pk,
            license_type=license_type,
            address=address,
            actor="test",
            now=BEGIN,
        )

    def server(
        self, account: Account, hostname: str, license_type: str, address: str = "198.51.100.7"
    ) -> Server:
        """Register a server with the default key."""
        key = self._site.does(
            ActivationKey.objects.get,
            account=account,
            license_type__code=license_type,
            is_default=True,
            removed_at=None,
        )
        return self._site.does(registered, key, hostname, address, now=BEGIN).server
