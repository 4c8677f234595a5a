"""What the frame around every page shows; worked out only where a template asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext

from cln import clock
from cln.accounts.access import ROLE_NAMES, Permission, may
from cln.accounts.models import Login
from cln.accounts.standing import is_blocked, suspends_on
from cln.backups.services import has_backups
from cln.billing.queries import balance_cents, unpaid_count
from cln.catalog.queries import ProductRow, products
from cln.console import cart
from cln.domain.dunning import DunningState
from cln.domain.money import money_text
from cln.enums import AccountKind, Role
from cln.flows.backups import is_offered


@dataclass
class Frame:
    """Navigation, badges and the sandbox banner."""

    request: HttpRequest
    themes: ClassVar = (("", "As the system"), ("light", "Light"), ("dark", "Dark"))

    @cached_property
    def sandbox_today(self) -> str:
        """The sandbox's date, "" in production."""
        if settings.CLN_MODE != "sandbox":
            return ""
        # Pages have asked the clock; allauth's, and those about errors, have not.
        now: datetime = getattr(self.request, "now", None) or clock.now()
        return f"{now:%Y-%m-%d}"

    @property
    def language(self) -> str:
        """What the pages speak, for those who read them aloud."""
        return settings.LANGUAGE_CODE

    @cached_property
    def login(self) -> Login | None:
        """Who is signed in, if anybody with an account."""
        user = self.request.user
        return user if isinstance(user, Login) and user.account_id else None

    @property
    def is_operator(self) -> bool:
        """Whether the vendor's own person is signed in, who has no account and no pages yet."""
        user = self.request.user
        return isinstance(user, Login) and not user.account_id

    @property
    def is_stranger(self) -> bool:
        """Whether nobody is signed in."""
        return not (self.login or self.is_operator)

    @cached_property
    def products(self) -> tuple[ProductRow, ...]:
        """The products of the navigation."""
        return products()

    @cached_property
    def unpaid(self) -> int:
        """Open invoices, for those who may see invoices."""
        account = self.login.account if self.login else None
        if account is None or not self.may[Permission.VIEW_INVOICES]:
            return 0
        return unpaid_count(account.pk)

    @cached_property
    def balance_text(self) -> str:
        """A reseller's deposit, for those who may see bills; "" for customers (N-1)."""
        account = self.login.account if self.login else None
        if account is None or account.kind != AccountKind.RESELLER:
            return ""
        if not self.may[Permission.VIEW_BILLING]:
            return ""
        return money_text(balance_cents(account.pk), account.currency)

    def has(self, what: str) -> bool:
        """Whether the account has what only some have; asked where a menu depends on it."""
        assert what == "backups", what
        if not settings.CLN_BACKUP_PROVIDER or self.login is None or not self.login.account_id:
            return False
        return self.offers_backups or has_backups(self.login.account_id)

    @cached_property
    def offers_backups(self) -> bool:
        """Whether new backups are made."""
        return is_offered()

    @cached_property
    def is_reseller(self) -> bool:
        """Whether a reseller is signed in: deposit and IP licenses instead of cart and purchase."""
        account = self.login.account if self.login else None
        return account is not None and account.kind == AccountKind.RESELLER

    @cached_property
    def in_cart(self) -> int:
        """Lines in the cart."""
        return len(cart.lines(self.request.session))

    @cached_property
    def blocked(self) -> bool:
        """Whether the account is blocked (P7)."""
        account = self.login.account if self.login else None
        return account is not None and is_blocked(account)

    @cached_property
    def suspends_on(self) -> date | None:
        """When the servers of a blocked account lose their licenses; None: they have (P7)."""
        account = self.login.account if self.login else None
        return suspends_on(account) if account else None

    @cached_property
    def has_ended(self) -> bool:
        """Whether debts have ended the subscriptions of the account (P7)."""
        account = self.login.account if self.login else None
        return account is not None and account.dunning_state == DunningState.ENDED

    @cached_property
    def role_name(self) -> str:
        """The role as people read it."""
        return gettext(ROLE_NAMES[Role(self.login.role)]) if self.login else ""

    @cached_property
    def may(self) -> dict[str, bool]:
        """`frame.may.view_prices`: what the signed-in login may do."""
        role = self.login.role if self.login else None
        return {p.value: role is not None and may(role, p) for p in Permission}


def frame(request: HttpRequest) -> dict[str, Frame]:
    """Give templates `frame`."""
    return {"frame": Frame(request)}
