"""The world of stories: a clock that moves, an operator, and the promises kept at every step.

Together with `tests/cast.py` it is the only helper of `tests/stories`. Every verb goes through the
flows and services that pages and agents call, with the world's present as `now`. After each one
the world does once more all that is due at that instant, and proves that nothing was billed or
charged by it (M5), that every deferred constraint holds and that the books are clean (P12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import pytest
from django.db import connection

from cln.accounts.models import Account, Login
from cln.accounts.services import create_account
from cln.billing.models import (
    CreditNote,
    Invoice,
    InvoiceLine,
    QuantityChange,
    Subscription,
    Transfer,
    UsageShare,
)
from cln.catalog.models import (
    LicenseType,
    OperatorRules,
    PriceList,
    PriceTier,
    TaxRate,
)
from cln.domain.errors import Refusal
from cln.domain.money import parse_amount
from cln.domain.rules import Rules
from cln.enums import AttemptChannel, MethodKind
from cln.flows import billing_run, collection, pay_link, timeline
from cln.licensing.models import Entitlement, IpLicense, Server, Trial
from cln.licensing.services import clear_trial_address
from cln.notifications.models import Message
from cln.payments.gateways.sandbox import token_for
from cln.payments.models import (
    Allocation,
    Payment,
    PaymentAttempt,
    Refund,
    SandboxCharge,
    SandboxRefund,
)
from tests.cast import CARDS, PRODUCTS, Customer
from tests.planned_books import books_are_clean
from tests.shop import open_shop

BILLED = (
    Invoice, InvoiceLine, UsageShare, CreditNote, Transfer, PaymentAttempt, Payment, Refund,
    SandboxCharge, SandboxRefund,
)  # fmt: skip
EVERYTHING = (
    *BILLED, Account, Login, Subscription, QuantityChange, Allocation, Entitlement, Trial, Server,
    IpLicense, Message,
)  # fmt: skip


def instant(text: str) -> datetime:
    """A bare date means 00:00 UTC, as in simulations."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class World:
    """The present, and who lives in it."""

    def __init__(self, *, rewrite_golden: bool = False) -> None:
        open_shop()
        self.now = instant("2000-01-01")
        self.otto = Operator()
        self.customers: list[Customer] = []
        self.rewrite_golden = rewrite_golden
        self.numbers = count(1)

    def on(self, when: str) -> World:
        """Live through all that is due until a moment, and check that promises were kept (Q12)."""
        until = instant(when)
        assert until >= self.now, f"{when} is in the past of this story"
        promised = [(one, up) for one in self.customers for up in one.upcoming()]
        timeline.run_until(until, since=self.now)
        self.now = until
        for customer, promise in promised:
            customer.got_what_was_promised(promise)
        self.nothing_more_is_due()
        return self

    def wakes_up_on(self, when: str) -> World:
        """The worker was down; now it catches up, all in one go (M5)."""
        self.now = instant(when)
        timeline.run_until(self.now, since=self.now)
        self.nothing_more_is_due()
        return self

    def customer(
        self, name: str, card: str | None = "works", country: str = "", currency: str = "USD"
    ) -> Customer:
        """A new account with a card, or without any payment method."""
        account = create_account(
            company=name.title(),
            billing_email=f"billing@{name}.example",
            currency=currency,
            now=self.now,
        )
        customer = Customer(self, name, account.pk)
        customer.lives_in(country)
        self.customers.append(customer)
        if card is not None:
            customer.replaces_method(card)
        return customer

    def nothing_more_is_due(self) -> None:
        """Bill again: nothing is billed. Let the worker come by, twice: it charges once at most."""
        before = _counts()
        billing_run.run_due(now=self.now)
        assert _counts() == before, "billed twice"
        timeline.run_due(now=self.now)
        after = _counts()
        assert after[:4] == before[:4], "the worker billed twice"
        if after != before:
            timeline.run_due(now=self.now)
            assert _counts() == after, "charged twice"
        connection.check_constraints()
        books_are_clean()
        assert not Account.objects.filter(parked_at__isnull=False).exists()

    @contextmanager
    def refuses(self, code: str) -> Iterator[pytest.ExceptionInfo[Refusal]]:
        """What happens inside is refused with this code and has changed nothing at all."""
        before = self._everything()
        with pytest.raises(Refusal) as caught:
            yield caught
        assert caught.value.code == code
        assert self._everything() == before
        self.nothing_more_is_due()

    def opens_pay_link(self, token: str, card: str = "") -> Sequence[collection.InvoiceResult]:
        """Somebody without a login pays by the link of a mail, maybe with his own card (P7)."""
        account = pay_link.account_of_link(token=token, now=self.now)
        method = card and collection.one_off_method(
            account_id=account.pk,
            kind=MethodKind.CARD,
            gateway="sandbox",
            token=token_for(CARDS[card]),
            label=f"a card that {card}",
            now=self.now,
        )
        results = collection.pay_now(
            account_id=account.pk,
            channel=AttemptChannel.PAY_LINK,
            actor="pay link",
            method=method or None,
            now=self.now,
        )
        self.nothing_more_is_due()
        return results

    def _everything(self) -> list[list[tuple[Any, ...]]]:
        return [list(model.objects.order_by("pk").values_list()) for model in EVERYTHING]


class Operator:
    """Otto, who works for the vendor."""

    def sets(self, **switches: object) -> None:
        """Override switches and day counts, by their names in `Rules`."""
        Rules.from_overrides(switches)
        OperatorRules.objects.update_or_create(id=1, defaults={"overrides": switches})

    def prices(
        self,
        product: str,
        tiers: dict[int, str],
        effective: str = "2011-01-01",
        yearly: bool = False,
        currency: str = "USD",
    ) -> None:
        """Enter a price list; the screen for it is an issue of its own."""
        price_list = PriceList.objects.create(
            license_type=LicenseType.objects.get(code=PRODUCTS[product]),
            interval="year" if yearly else "month",
            currency=currency,
            effective_on=date.fromisoformat(effective),
        )
        for start, unit in tiers.items():
            PriceTier.objects.create(
                price_list=price_list, from_quantity=start, unit_cents=parse_amount(unit)
            )

    def taxes(self, country: str, percent: int) -> None:
        """Enter the tax rate of a country."""
        TaxRate.objects.create(
            country=country, from_on=date(2000, 1, 1), basis_points=percent * 100
        )

    def clears_trial_address(self, product: str, ip: str) -> bool:
        """Let an address run a trial again (T3)."""
        row = LicenseType.objects.get(code=PRODUCTS[product])
        return clear_trial_address(product_id=row.product_id, address=ip)


def _counts() -> tuple[int, ...]:
    """How many rows of BILLED there are, in one question, for it is put after every step."""
    counted = ", ".join(f"(SELECT count(*) FROM {model._meta.db_table})" for model in BILLED)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counted}")
        return tuple(cursor.fetchone())
