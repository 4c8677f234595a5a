"""What gateways tell by themselves (P3): twice, late, out of order or before their own response.

A webhook is kept as it came, once per (gateway, event id). What it causes is keyed by the payment:
it goes the way of every answer, `settle`, which does nothing the second time.
"""

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from cln.accounts.models import DepositOrder
from cln.enums import UNFINISHED_ATTEMPT, GatewayEventKind
from cln.flows import reseller
from cln.flows.collection import conclude, settle
from cln.flows.refunds import conclude_refund
from cln.payments.gateways import Event, gateway_named
from cln.payments.models import GatewayEvent, PaymentAttempt, Refund

log = logging.getLogger(__name__)


def receive(*, gateway: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Verify a webhook, keep it and do what it says; False = nothing to us, or known already.

    Raises GatewayUnreachable when the gateway cannot be asked; it sends the webhook again.
    Refusals: `gateway_absent`, `gateway_cannot`, `forged_webhook`.
    """
    event = gateway_named(gateway).webhook(headers, body)
    if event is None:
        return False
    # Committed by itself: if this process dies below, the event comes again and is found undone.
    with transaction.atomic(durable=True):
        kept, _ = GatewayEvent.objects.get_or_create(
            gateway=gateway,
            event_id=event.event_id,
            defaults={"received_at": now, "payload": json.loads(body)},
        )
    if kept.processed_at is not None:
        return False
    _process(gateway, event, now=now)
    GatewayEvent.objects.filter(pk=kept.pk).update(processed_at=now)
    return True


def _process(gateway: str, event: Event, *, now: datetime) -> None:
    if event.kind is GatewayEventKind.REFUND:
        refund = Refund.objects.filter(payment__gateway=gateway, public_id=event.reference).first()
        if refund is not None:
            # Asked even when it has ended: it may have been made late, or have come back.
            conclude_refund(row=refund, now=now)
        return
    attempt = PaymentAttempt.objects.filter(gateway=gateway, public_id=event.reference).first()
    if attempt is None and _is_deposit(gateway, event, now=now):
        return
    if attempt is None or attempt.gateway_charge not in ("", event.gateway_charge):
        log.warning("%s event %s is about no attempt of ours", gateway, event.event_id)
        return
    if event.outcome is not None:
        settle(attempt_id=attempt.pk, outcome=event.outcome, now=now)
    elif attempt.state in UNFINISHED_ATTEMPT:
        conclude(attempt_id=attempt.pk, now=now)


def _is_deposit(gateway: str, event: Event, *, now: datetime) -> bool:
    """Whether the event is about a deposit whose account does not exist yet (R1)."""
    order = DepositOrder.objects.filter(gateway=gateway, public_id=event.reference).first()
    if order is None or order.gateway_charge not in ("", event.gateway_charge):
        return False
    if event.outcome is not None:
        reseller.settle_order(order_id=order.pk, outcome=event.outcome, now=now)
    elif order.state in UNFINISHED_ATTEMPT:
        reseller.conclude_order(order_id=order.pk, now=now)
    return True
