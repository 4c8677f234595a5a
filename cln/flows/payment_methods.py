"""Handing a card or a PayPal agreement to a gateway; its number never comes to us (P1)."""

from datetime import datetime

from cln.accounts.models import Account
from cln.flows.collection import InvoiceResult, set_payment_method
from cln.flows.hosted import GatewaySilent
from cln.payments.gateways import Back, GatewayUnreachable, Page, Payer, gateway_named
from cln.payments.models import PaymentMethod


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
