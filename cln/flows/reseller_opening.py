"""The deposit has settled: a reseller's account comes into being, in one transaction (R1)."""

from datetime import datetime

from allauth.account.models import EmailAddress

from cln.accounts import services as accounts
from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account, Agreement, DepositOrder
from cln.billing.models import Subscription
from cln.domain.money import format_cents
from cln.enums import (
    AccountKind,
    AttemptChannel,
    AttemptPurpose,
    AttemptState,
    MethodKind,
    SubscriptionStatus,
)
from cln.flows import deposit_notices
from cln.flows.settlement import settle_from_balance
from cln.flows.sign_up import queue_confirmation
from cln.flows.subscriptions import end_if_emptied, schedule_end
from cln.payments import services as payments
from cln.payments.gateways import Outcome
from cln.payments.models import AutopayRuleRow, PaymentAttempt


def open_reseller(*, order: DepositOrder, outcome: Outcome, now: datetime) -> Account:
    """Joins: make the account or turn it into a reseller's, and put the deposit into it."""
    account = _new_account(order, now=now) if order.account_id is None else _turned(order, now=now)
    Agreement.objects.create(
        account=account,
        version=order.agreement_version,
        accepted_at=order.created_at,
        address=order.address,
    )
    AutopayRuleRow.objects.update_or_create(
        account=account,
        defaults={
            "mode": order.autopay_mode,
            "target_cents": order.autopay_target_cents,
            "declines": 0,
            "next_try_at": None,
        },
    )
    _book(account, order, outcome, now=now)
    audit(
        account_id=account.pk,
        actor=order.actor,
        verb="became_reseller",
        subject=order.agreement_version,
        details={"deposit": format_cents(order.amount_cents)},
        address=order.address,
        now=now,
    )
    deposit_notices.reseller_welcome(account=account, order=order, now=now)
    return account


def _new_account(order: DepositOrder, *, now: datetime) -> Account:
    account = accounts.create_account(
        company=str(order.person["company"]),
        billing_email=str(order.person["billing_email"]),
        kind=AccountKind.RESELLER,
        currency=order.currency,
        public=order.customer,
        now=now,
    )
    login = accounts.create_hashed_login(
        account_id=account.pk,
        email=order.email,
        username=order.username,
        password_hash=order.password,
        now=now,
    )
    if login is not None:
        queue_confirmation(address=EmailAddress.objects.get(user=login), now=now)
    payments.store_method(
        account=account,
        kind=MethodKind(order.method_kind),
        gateway=order.gateway,
        token=order.token,
        label=order.label,
        expires_on=order.expires_on,
        now=now,
    )
    # Nobody else knows the account yet, but money verbs ask for its lock.
    return lock_account(account.pk)


def _turned(order: DepositOrder, *, now: datetime) -> Account:
    """A customer's subscriptions run out with what is paid; then its servers are usage. One that
    holds no license any more ends now.
    """
    assert order.account_id is not None, "a conversion has an account"
    account = lock_account(order.account_id)
    accounts.become_reseller(account=account, now=now)
    running = Subscription.objects.filter(account=account, status=SubscriptionStatus.ACTIVE)
    for subscription in running:
        if subscription.ends_on is None:
            schedule_end(subscription, on=subscription.paid_until)
        end_if_emptied(account, subscription, now=now)
    return account


def _book(account: Account, order: DepositOrder, outcome: Outcome, *, now: datetime) -> None:
    """The order's attempt, now that there is an account for it, its payment and the balance."""
    attempt = PaymentAttempt.objects.create(
        public_id=order.public_id,
        account=account,
        purpose=AttemptPurpose.TOP_UP,
        channel=AttemptChannel.PAY_NOW,
        method=account.payment_methods.filter(gateway=order.gateway, token=order.token).last(),
        gateway=order.gateway,
        gateway_charge=order.gateway_charge,
        amount_cents=order.amount_cents,
        currency=order.currency,
        state=AttemptState.SUCCEEDED,
        created_at=order.created_at,
        finished_at=now,
    )
    payments.receive_payment(account=account, attempt=attempt, outcome=outcome, now=now)
    settle_from_balance(account=account, now=now)
