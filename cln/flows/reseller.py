"""A reseller's deposit: topping it up (R5). Settled only by the gateway's word."""

from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.domain.errors import Refusal
from cln.domain.money import format_cents
from cln.enums import AccountKind, AttemptChannel
from cln.flows.collection import InvoiceResult, begin, finish

SMALLEST_TOP_UP_CENTS = 100
LARGEST_TOP_UP_CENTS = 100_000_00


class NotAReseller(Refusal):
    """Only resellers have a deposit."""

    code: ClassVar[str] = "not_a_reseller"


class BadTopUp(Refusal):
    """The amount cannot be topped up."""

    code: ClassVar[str] = "bad_top_up"


def top_up(*, account_id: int, amount_cents: int, actor: str, now: datetime) -> InvoiceResult:
    """Charge the active payment method and add the money to the deposit, at once (R5).

    Refusals: `not_a_reseller`, `bad_top_up`, `no_payment_method`, `payment_in_progress`.
    """
    if not SMALLEST_TOP_UP_CENTS <= amount_cents <= LARGEST_TOP_UP_CENTS:
        raise BadTopUp(
            "The amount must be between "
            f"{format_cents(SMALLEST_TOP_UP_CENTS)} and {format_cents(LARGEST_TOP_UP_CENTS)}."
        )
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        if account.kind != AccountKind.RESELLER:
            raise NotAReseller("Only resellers have a deposit.", "Ask us to become a reseller.")
        begun = begin(
            account=account,
            invoice=None,
            amount_cents=amount_cents,
            channel=AttemptChannel.PAY_NOW,
            now=now,
        )
        audit(
            account_id=account_id,
            actor=actor,
            verb="top_up",
            subject=format_cents(amount_cents),
            now=now,
        )
    return finish(begun, now=now)
