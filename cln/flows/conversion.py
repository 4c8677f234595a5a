"""Another license type for a server, in one step and without a new registration (Q14)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.accounts.standing import refuse_if_blocked
from cln.billing import services as billing
from cln.billing.credit_notes import credited_of
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import NotSubscribed, paid_subscription
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain import ledger
from cln.domain.errors import Refusal
from cln.domain.invoicing import (
    ChangeKind,
    LineKind,
    freed_unit_credit,
    priced_change,
)
from cln.enums import AttemptState, InvoiceStatus
from cln.flows.billing_run import bring_current, foresee
from cln.flows.facts import NEW_CHANGE_ID, Facts, facts_of
from cln.flows.issuing import Order, Taxes
from cln.flows.purchase import Bought, buy
from cln.flows.settlement import foreseen_parts, settle_from_balance
from cln.flows.subscriptions import end_if_emptied
from cln.flows.upcoming import upcoming_of
from cln.licensing import partners
from cln.licensing.access import get_key, get_server
from cln.licensing.entitlements import set_quantity
from cln.licensing.models import Server
from cln.licensing.moves import change_key, check_move, has_free_seat, move_server

PAID = (AttemptState.SUCCEEDED, InvoiceStatus.PAID)


class ConversionUnpaid(Refusal):
    """The license of the new type could not be paid, so nothing was converted."""

    code: ClassVar[str] = "conversion_unpaid"


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion did; cents. `bought` is None where a free license was used."""

    bought: Bought | None
    credit_cents: int


def convert_server(
    *,
    account_id: int,
    server: str,
    license_type: str,
    cancel_old: bool,
    actor: str,
    request_key: str,
    now: datetime,
) -> Converted:
    """Give a server another license type: a free license, an added one (Q4) or a first purchase.

    With `cancel_old` the freed unit is cancelled and the rest of its paid price becomes account
    credit. Refusals: `unknown_server`, `unknown_license_type`, `account_blocked`,
    `server_removed`, `key_limit_reached`, `wrong_product`, `same_license_type`,
    `too_many_users`, `conversion_unpaid`, those of `buy`; with `cancel_old` also
    `not_subscribed` and `order_pending`: a trial has no paid unit to cancel.
    """
    with transaction.atomic(durable=True):
        # What fell due is done first: a license that ran out took its server with it, and that is
        # refused before anything is bought.
        bring_current(account=lock_account(account_id), now=now)
        row = get_server(account_id=account_id, public_id=server)
        target = catalog.get_license_type(license_type)
        check_move(server=row, license_type=target)
        if cancel_old:
            _freed(account_id=account_id, license_type=row.license_type.code)
        opens = partners.may_open(account_id=account_id, license_type=target, now=now)
    bought = None
    if not opens and not has_free_seat(account_id=account_id, license_type=target, now=now):
        bought = buy(
            account_id=account_id,
            license_type=license_type,
            quantity=1,
            interval=None,
            actor=actor,
            request_key=request_key,
            now=now,
        )
        if bought.payment is not None and bought.payment.state not in PAID:
            raise ConversionUnpaid(
                f"The server keeps its license: {bought.payment.sentence}",
                bought.payment.fix or "Pay the order, then convert the server.",
            )
    credit = _convert(account_id, row, target, cancel_old=cancel_old, actor=actor, now=now)
    return Converted(bought, credit)


def convert_to_key(*, account_id: int, server: str, key: str, actor: str, now: datetime) -> None:
    """Let a server use another key, and with it the key's license type; nothing is bought.

    Both by public id. Refusals: `unknown_server`, `unknown_key`, `account_blocked`,
    `server_removed`, `key_limit_reached`, `wrong_product`, `too_many_users`, `no_license`,
    `no_free_seat`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        refuse_if_blocked(account)
        bring_current(account=account, now=now)
        row = get_server(account_id=account_id, public_id=server)
        new = get_key(account_id=account_id, public_id=key)
        if new.license_type_id == row.license_type_id:
            change_key(account_id=account_id, server=row, key=new, actor=actor, now=now)
        else:
            move_server(
                account_id=account_id,
                server=row,
                license_type=new.license_type,
                key=new,
                actor=actor,
                now=now,
            )


def _convert(
    account_id: int,
    server: Server,
    target: LicenseType,
    *,
    cancel_old: bool,
    actor: str,
    now: datetime,
) -> int:
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        refuse_if_blocked(account)
        bring_current(account=account, now=now)
        old_type = server.license_type.code
        partners.ensure_right(account_id=account_id, license_type=target, now=now)
        move_server(account_id=account_id, server=server, license_type=target, actor=actor, now=now)
        freed = _freed(account_id=account_id, license_type=old_type) if cancel_old else None
        if freed is None:
            return 0
        return _cancel_freed_unit(account, freed, actor=actor, now=now)


def _freed(*, account_id: int, license_type: str) -> Subscription | None:
    """What pays for the unit that a conversion frees; None where it is paid by the day (R8), which
    ends with the conversion itself. Refusals: `not_subscribed`, `order_pending`.
    """
    try:
        return paid_subscription(account_id=account_id, license_type=license_type)
    except NotSubscribed:
        if license_type in partners.unlimited_types(account_id):
            return None
        raise


def _cancel_freed_unit(
    account: Account, subscription: Subscription, *, actor: str, now: datetime
) -> int:
    """Take the freed unit off and credit what was paid for its remaining days (Q14)."""
    facts = facts_of(subscription, rules=catalog.rules())
    credit = min(freed_unit_credit(facts, now.date()), _creditable(subscription))
    change = priced_change(
        facts,
        id=NEW_CHANGE_ID,
        on=now.date(),
        kind=ChangeKind.FREED,
        delta=-1,
        note=f"by {actor}",
    )
    billing.record_change(subscription=subscription, change=change, now=now)
    set_quantity(
        account_id=account.pk,
        license_type=subscription.license_type.code,
        quantity=subscription.quantity,
        now=now,
    )
    if credit:
        billing.post(
            account=account,
            transfers=ledger.credit_granted(cents=credit),
            kind="freed_license",
            now=now,
        )
        settle_from_balance(account=account, now=now)
    end_if_emptied(account, subscription, now=now)
    return credit


def freed_credit(
    *,
    account_id: int,
    license_type: str,
    known: Callable[[], Facts] | None = None,
    now: datetime,
) -> int | None:
    """What a conversion would credit for the unit it frees; None = it is paid by the day (R8).

    `known` gives the facts of the account, which are moved on to today.

    Refusals: `not_subscribed`, `order_pending`.
    """
    subscription = _freed(account_id=account_id, license_type=license_type)
    if subscription is None:
        return None
    account = subscription.account
    facts = known() if known else Facts([account], rules=catalog.rules())
    late = foresee(account, facts, through=now.date())
    mine = facts.live(subscription)
    most = _foreseen_paid(account, mine, late)
    most = _creditable(mine) if most is None else most
    return min(freed_unit_credit(facts.of(mine), now.date()), most)


def _foreseen_paid(
    account: Account, subscription: Subscription, late: Sequence[Order]
) -> int | None:
    """What credit will have paid of the newest renewal the worker is late with (M5); None = it is
    late with none.
    """
    if not late:
        return None
    taxes = Taxes()
    dues = [
        upcoming_of(
            account=account,
            license_type=order.subscription.license_type.code,
            draft=order.draft,
            taxes=taxes,
        ).total_cents
        for order in late
    ]
    parts = zip(late, foreseen_parts(account=account, dues=dues), strict=True)
    renewals = [
        part
        for order, part in parts
        if order.subscription is subscription and order.draft.period is not None
    ]
    return renewals[-1] if renewals else None


def _creditable(subscription: Subscription) -> int:
    """What was paid for the running period and not given back: a debt is never credited (Q14)."""
    invoice = (
        Invoice.objects.filter(
            subscription=subscription,
            lines__kind=LineKind.RECURRING,
            lines__period__endswith=subscription.paid_until,
        )
        .order_by("-id")
        .first()
    )
    if invoice is None:
        return 0
    return invoice.paid_cents - sum(credited_of(invoice).values())
