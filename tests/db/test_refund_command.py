"""`cln refund`: the exact figures before, the same after (P10)."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from cln import clock
from cln.accounts.models import Account, AuditEntry
from cln.billing.models import CreditNote
from cln.payments.models import SandboxRefund
from tests.customers import START, a_customer, buys, clock_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    """Has paid 5 × 10.00."""
    clock_at(START)
    acme = a_customer()
    buys(acme, 5)
    return acme


def refund(*options: str) -> list[str]:
    out = StringIO()
    call_command("refund", "CBI-000001", *options, stdout=out)
    return out.getvalue().splitlines()


FIGURES = [
    "Refund of invoice CBI-000001                        $20.00",
    "  CloudLinux OS Shared, 31 Jan – 28 Feb 2026        $20.00",
    "  to Card that answers ok                           $20.00",
    "Licenses removed with it: 2",
]


def test_a_dry_run_shows_the_exact_figures_and_changes_nothing(acme: Account) -> None:
    """P10."""
    found = refund("--amount", "20.00", "--certified", "--dry-run")

    assert [" ".join(line.split()) for line in found] == [
        *(" ".join(line.split()) for line in FIGURES),
        "Nothing was changed.",
    ]
    assert CreditNote.objects.count() == SandboxRefund.objects.count() == 0


def test_a_refund_does_what_the_dry_run_said(acme: Account) -> None:
    """P10."""
    promised = refund("--line", "1=20.00", "--certified", "--dry-run")[:-1]

    found = refund("--line", "1=20.00", "--certified", "--operator", "otto")

    assert found == [*promised, "Credit note CN-000001, $20.00; at the gateway: succeeded."]
    assert SandboxRefund.objects.get().amount_cents == 20_00
    assert CreditNote.objects.get().total_cents == 20_00
    assert AuditEntry.objects.get(verb="refund").actor == "otto"
    assert acme.subscriptions.get().quantity == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--certified"], "Say who does it: --operator NAME; or only look: --dry-run."),
        (["--operator", "otto"], "certif"),
        (["--certified", "--dry-run", "--amount", "50.01"], "Only 50.00 can still be refunded."),
        (["--certified", "--dry-run", "--amount", "ten"], "That is not an amount of money."),
        (["--dry-run", "--amount", "1.00", "--line", "1=1.00"], "not both"),
        (["--dry-run", "--line", "one=1.00"], "'one=1.00' is no line"),
    ],
)
def test_what_cannot_be_refunded_says_why_and_changes_nothing(
    acme: Account, options: list[str], sentence: str
) -> None:
    with pytest.raises(CommandError) as refused:
        refund(*options)

    assert sentence in str(refused.value)
    assert CreditNote.objects.count() == 0


def test_an_invoice_that_is_not_there_is_named() -> None:
    clock.move_to(START)
    with pytest.raises(CommandError, match="There is no invoice 'CBI-000001'"):
        refund("--dry-run")
