"""What the dashboard shows: a card per product held, offers for the others, and what needs you."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.urls import reverse

from cln.accounts.models import Account
from cln.accounts.standing import block_planned_on
from cln.billing.queries import InvoiceRow, SubscriptionRow, invoices_of, subscriptions_of
from cln.catalog import queries as catalog
from cln.console.instructions import install_command
from cln.domain.money import money_text
from cln.domain.words import counted
from cln.enums import EntitlementKind, InvoiceStatus
from cln.flows.deposit_notices import blocks_on
from cln.flows.notices import owed_by_reseller
from cln.flows.trials import trials_refused
from cln.flows.upcoming import Upcoming, outlook
from cln.licensing import queries as licensing
from cln.licensing.queries import EntitlementRow, KeyRow
from cln.payments.services import active_method, last_decline

CARD_EXPIRY_WARNING = timedelta(days=30)
TRIAL_END_WARNING = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Card:
    """A license type the account holds. `saving_cents`: what removing the unused ones saves."""

    held: EntitlementRow
    subscription: SubscriptionRow | None
    upcoming: Upcoming | None
    saving_cents: int
    key: KeyRow | None
    command: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A license type the account could buy or try. `trial_note` says why it cannot be tried."""

    license_type: catalog.LicenseTypeRow
    trial_days: int
    trial_note: str


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for the customer, with the one thing to do."""

    sentence: str
    action: str
    url: str


def cards_of(account_id: int, *, now: datetime) -> tuple[Card, ...]:
    """A card for each license type the account holds."""
    subscriptions = {row.license_type: row for row in subscriptions_of(account_id)}
    keys = licensing.default_keys_of(account_id)
    entitlements = licensing.entitlements_of(account_id)
    used = {row.license_type: row.used for row in entitlements}
    foreseen = outlook(account_id=account_id, keep=used, now=now)
    upcoming: dict[str, Upcoming] = {}
    for one in foreseen.upcoming:
        upcoming.setdefault(one.license_type, one)
    cards = []
    for held in entitlements:
        code = held.license_type
        running = subscriptions.get(code)
        if held.quantity == 0 and (running is None or not running.quantity):
            continue
        key = keys.get(code)
        cards.append(
            Card(
                held=held,
                subscription=running,
                upcoming=upcoming.get(code),
                saving_cents=max(foreseen.savings_cents.get(code, 0), 0),
                key=key,
                command=install_command(key.text) if key else "",
            )
        )
    return tuple(cards)


def offers_of(account: Account, *, but: set[str], now: datetime) -> tuple[Offer, ...]:
    """Products the account does not hold, each by its first license type (U-2)."""
    first: dict[str, catalog.LicenseTypeRow] = {}
    for row in catalog.license_types(currency=account.currency):
        if row.product not in but and (row.priced or row.trial_days):
            first.setdefault(row.product, row)
    codes = [row.code for row in first.values()]
    refused = trials_refused(account=account, license_types=codes, now=now)
    return tuple(
        Offer(row, 0 if row.code in refused else row.trial_days, refused.get(row.code, ""))
        for row in first.values()
    )


def has_begun(cards: tuple[Card, ...]) -> bool:
    """Whether a server was ever registered; until then the dashboard shows the first steps."""
    return any(card.held.used or (card.key and card.key.last_used_at) for card in cards)


def needs_of(account: Account, cards: tuple[Card, ...], *, now: datetime) -> tuple[Need, ...]:
    """What waits for the customer, most urgent first."""
    today = now.date()
    unpaid = invoices_of(account.pk, status=InvoiceStatus.OPEN)
    needs = [
        *_unpaid(account, unpaid, today),
        *_in_debt(account),
        *_card(account.pk, today, owes=bool(unpaid) or account.negative_since is not None),
        *_silent(account.pk, now),
    ]
    # Whoever has just bought is shown how to use the licenses, not how to give them up.
    begun = has_begun(cards)
    for card in cards:
        needs += _ending_trial(card, now)
        needs += _unused(card, account.currency) if begun else []
    return tuple(needs)


def _unpaid(account: Account, invoices: tuple[InvoiceRow, ...], today: date) -> list[Need]:
    if not invoices:
        return []
    total = money_text(sum(row.due_cents for row in invoices), account.currency)
    late = sum(1 for row in invoices if row.due_on < today)
    state = "due now"
    if late:
        state = "overdue" if late == len(invoices) else f"{late} of them overdue"
    sentence = f"{counted(len(invoices), 'unpaid invoice')}, {state}: {total}"
    if on := block_planned_on(account):
        sentence = f"{sentence}; without payment the account is blocked on {on}"
    return [Need(sentence, "Pay", reverse("invoices"))]


def _in_debt(account: Account) -> list[Need]:
    if account.negative_since is None:
        return []
    due = money_text(owed_by_reseller(account), account.currency)
    sentence = f"Balance due: {due}; the account is blocked on {blocks_on(account)}"
    return [Need(sentence, "Top up", reverse("balance"))]


def _silent(account_id: int, now: datetime) -> list[Need]:
    silent = licensing.count_silent(account_id, now=now)
    if not silent:
        return []
    some = counted(silent, "server has", "servers have")
    return [Need(f"{some} stopped checking in", "Look", f"{reverse('servers')}?status=silent")]


def _card(account_id: int, today: date, *, owes: bool) -> list[Need]:
    """A payment method that was declined, while something is owed, or that soon will be."""
    method = active_method(account_id)
    if method is None:
        return []
    last = last_decline(method) if owes else None
    if last:
        sentence = f"{method.label} was declined on {last.on}: {last.decline.sentence}"
    elif method.expires_on and method.expires_on <= today + CARD_EXPIRY_WARNING:
        word = "expired" if method.expires_on < today else "expires"
        sentence = f"{method.label} {word} on {method.expires_on}"
    else:
        return []
    return [Need(sentence, "Replace", reverse("payment_methods"))]


def _ending_trial(card: Card, now: datetime) -> list[Need]:
    held = card.held
    if held.kind != EntitlementKind.TRIAL or held.valid_until is None:
        return []
    if not now < held.valid_until <= now + TRIAL_END_WARNING:
        return []
    sentence = f"Your trial of {held.name} ends on {held.valid_until:%Y-%m-%d at %H:%M} UTC"
    return [Need(sentence, "Buy", reverse("purchase", args=[held.license_type]))]


def _unused(card: Card, currency: str) -> list[Need]:
    held = card.held
    if not (card.saving_cents and held.unused and card.subscription):
        return []
    if card.subscription.ends_on:  # they end with the others
        return []
    sentence = (
        f"{counted(held.unused, f'unused {held.name} license')} = "
        f"{money_text(card.saving_cents, currency)} a {card.subscription.interval}"
    )
    if held.included:  # pain 5
        sentence += f": Imunify360 includes it on {counted(held.included, 'server')}"
    return [Need(sentence, "Remove unused", reverse("remove_unused", args=[held.license_type]))]
