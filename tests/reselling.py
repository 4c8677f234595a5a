"""Resellers and refunds on real connections: verbs that other processes and threads may do too."""

from __future__ import annotations

from datetime import datetime

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.enums import MethodKind
from cln.flows import ip_licenses, refunds, reseller
from cln.payments.gateways.sandbox import Script, token_for

AGREED = reseller.Acceptance(version=reseller.AGREEMENT_VERSION, address="192.0.2.77")
OFF = AutopayRule(AutopayMode.OFF)


def registers(
    name: str, *, cents: int = 500_00, rule: AutopayRule = OFF, now: datetime
) -> reseller.DepositResult:
    """A new reseller pays a deposit with a card that works (R1)."""
    return reseller.register_reseller(
        applicant=reseller.Applicant(
            email=f"owner@{name}.example",
            password="correct horse battery staple",
            company=name.title(),
            billing_email=f"billing@{name}.example",
        ),
        deposit_cents=cents,
        acceptance=AGREED,
        method=reseller.MethodWish(
            kind=MethodKind.CARD,
            gateway="sandbox",
            token=token_for(Script.OK),
            label="Card that works",
        ),
        autopay=rule,
        now=now,
    )


def becomes_reseller(account: Account | int, *, now: datetime) -> reseller.DepositResult:
    """A customer's account is converted (R1)."""
    pk = account if isinstance(account, int) else account.pk
    return reseller.convert_customer(
        account_id=pk, deposit_cents=100_00, acceptance=AGREED, actor="test", now=now
    )


def holds_ip(
    account_id: int, address: str, *, license_type: str = "kernelcare", now: datetime
) -> None:
    """One more license by IP (R2)."""
    ip_licenses.add_ip_license(
        account_id=account_id, license_type=license_type, address=address, actor="test", now=now
    )


def refunds_first(account: Account | int, cents: int = 10_00, *, now: datetime) -> refunds.Refunded:
    """The operator gives back some of the first invoice (P10)."""
    pk = account if isinstance(account, int) else account.pk
    invoice = Invoice.objects.filter(account=pk).earliest("id").public_id
    wish = refunds.Wish(invoice=invoice, amount_cents=cents, is_removal_certified=True)
    return refunds.refund(operator="otto", account_id=pk, wish=wish, now=now)
