"""Handing a card or a PayPal agreement to a gateway; its number never comes to us (P1)."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.flows import reseller
from cln.flows.charging import GatewaySilent
from cln.flows.collection import InvoiceResult, set_payment_method
from cln.ids import public_id
from cln.payments import services as payments
from cln.payments.gateways import (
    Back,
    GatewayAbsent,
    GatewayUnreachable,
    Page,
    Payer,
    gateway_named,
)
from cln.payments.models import PaymentMethod

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FirstPage:
    """A page for somebody without an account; keep `customer` and the page's id for later."""

    customer: str
    page: Page


def begin_method(*, account_id: int, gateway: str, back: Back) -> Page:
    """The gateway's page, or the secrets of its hosted fields; keep the page's `id` for later.

    Refusals: `gateway_absent`, `gateway_cannot`, `gateway_silent`.
    """
    try:
        return gateway_named(gateway).begin_method(_payer(account_id, gateway), back)
    except GatewayUnreachable as error:
        raise _silent() from error


def complete_method(
    *, account_id: int, gateway: str, page_id: str, actor: str, now: datetime
) -> tuple[InvoiceResult, ...]:
    """Make what was handed over the one payment method, and try at once what is due (P1).

    Refusals: `method_not_stored`, `gateway_absent`, `gateway_cannot`, `gateway_silent`.
    """
    try:
        stored = gateway_named(gateway).complete_method(_payer(account_id, gateway), page_id)
    except GatewayUnreachable as error:
        raise _silent() from error
    return set_payment_method(
        account_id=account_id,
        kind=stored.kind,
        gateway=gateway,
        token=stored.token,
        label=stored.label,
        expires_on=stored.expires_on,
        actor=actor,
        now=now,
    )


def remove_method(*, account_id: int, actor: str, now: datetime) -> None:
    """Leave the account without a payment method: nothing is charged until another is added (P1).

    A charge that is on its way goes on. The gateway is told to forget the method; if it is silent
    the method is out of use all the same. Refusals: `no_payment_method`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        method = payments.drop_method(account=account, now=now)
        audit(
            account_id=account_id,
            actor=actor,
            verb="remove_payment_method",
            subject=method.label,
            now=now,
        )
    try:
        gateway_named(method.gateway).forget_method(method.token)
    except (GatewayUnreachable, GatewayAbsent):
        log.warning("%s was not told to forget a method of account %s", method.gateway, account_id)


def begin_first_method(*, email: str, gateway: str, back: Back) -> FirstPage:
    """The page for somebody who has no account yet and is about to pay a deposit (R1).

    Refusals: those of `begin_method`.
    """
    customer = public_id("acc")
    try:
        page = gateway_named(gateway).begin_method(Payer(customer, email), back)
    except GatewayUnreachable as error:
        raise _silent() from error
    return FirstPage(customer, page)


def complete_first_method(
    *, customer: str, email: str, gateway: str, page_id: str
) -> reseller.MethodWish:
    """What was handed over on the page of `begin_first_method`, for `reseller.register_reseller`.

    Refusals: those of `complete_method`.
    """
    try:
        stored = gateway_named(gateway).complete_method(Payer(customer, email), page_id)
    except GatewayUnreachable as error:
        raise _silent() from error
    return reseller.MethodWish(
        kind=stored.kind,
        gateway=gateway,
        token=stored.token,
        label=stored.label,
        expires_on=stored.expires_on,
        customer=customer,
    )


def _payer(account_id: int, gateway: str) -> Payer:
    account = Account.objects.get(pk=account_id)
    former = PaymentMethod.objects.filter(account=account, gateway=gateway).order_by("-id").first()
    return Payer(
        reference=account.public_id,
        email=account.billing_email,
        former_token=former.token if former else "",
    )


def _silent() -> GatewaySilent:
    return GatewaySilent(
        "The gateway cannot be reached. Your payment method was not changed.",
        "Try again in several minutes.",
    )
