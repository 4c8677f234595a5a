"""What somebody wants to buy, checked against what the account has: an order that may be placed."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from cln.accounts.models import Account
from cln.accounts.standing import refuse_if_blocked
from cln.billing.models import Subscription
from cln.billing.queries import paid_subscription
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.calendar import Interval
from cln.domain.errors import Refusal
from cln.domain.invoicing import Change, ChangeKind, SubscriptionFacts, priced_change
from cln.domain.pricing import PriceUnknown, check_quantity, list_in_force
from cln.domain.quantities import check_interval
from cln.domain.rules import Rules
from cln.domain.words import counted
from cln.enums import LIVE_SUBSCRIPTION, AccountKind
from cln.flows.facts import Facts
from cln.licensing import entitlements as licensing
from cln.licensing.partners import PaidAfterwards


class SubscriptionEnding(Refusal):
    """The subscription was cancelled and runs to the end of the paid period."""

    code: ClassVar[str] = "subscription_ending"


class FewerThanServers(Refusal):
    """More servers run in the trial than licenses are bought (T4)."""

    code: ClassVar[str] = "fewer_than_servers"


@dataclass(frozen=True, slots=True)
class PurchaseOrder:
    """A checked wish: what is bought and, for an addition, the subscription that grows."""

    license_type: LicenseType
    interval: Interval
    quantity: int
    facts: SubscriptionFacts
    subscription: Subscription | None


def checked_order(
    account: Account,
    code: str,
    quantity: int,
    interval: str | None,
    *,
    today: date,
    rules: Rules,
    known: Facts | None = None,
) -> PurchaseOrder:
    """What a wish means for this account now: a first order, or an addition (Q3, Q4).

    `interval` None means the running one, or a month; `known` saves reading the account's facts.

    Refusals: `unknown_license_type`, `bad_quantity`, `paid_afterwards`, `account_blocked`,
    `interval_conflict`, `price_unknown`, `fewer_than_servers`, `order_pending`,
    `subscription_ending`.
    """
    license_type = catalog.get_license_type(code)
    quantity = check_quantity(quantity)
    if account.kind == AccountKind.RESELLER:
        raise PaidAfterwards(
            "Resellers buy nothing in advance: each month is billed by what was used.",
            "Create a key, or add an IP license. Where a subscription of before still runs, its"
            " licenses are all there is until it ends, which may be at once.",
        )
    refuse_if_blocked(account)
    live = list(
        Subscription.objects.filter(
            account=account, product=license_type.product, status__in=LIVE_SUBSCRIPTION
        ).select_related("account", "license_type")
    )
    running = [Interval(row.interval) for row in live]
    wanted = _interval(interval) if interval else (running or [Interval.MONTH])[0]
    check_interval(product=license_type.product.name, wanted=wanted, running=running)
    own = next((row for row in live if row.license_type_id == license_type.pk), None)
    if own is None:
        facts = (known or Facts([account], rules=rules)).of_order(
            account=account,
            license_type=license_type,
            interval=wanted,
            quantity=quantity,
            today=today,
        )
        _check_priced(account, license_type, facts, today)
        _check_covers_servers(account, license_type, quantity)
        return PurchaseOrder(license_type, wanted, quantity, facts, None)
    _check_may_grow(own, license_type)
    facts = (known or Facts([account], rules=rules)).of(own)
    check_quantity(own.quantity + quantity)
    return PurchaseOrder(license_type, wanted, quantity, facts, own)


def _check_priced(
    account: Account, license_type: LicenseType, facts: SubscriptionFacts, today: date
) -> None:
    """There is a price in force, in the account's currency. Refusals: `price_unknown`."""
    if not facts.price_lists:
        raise PriceUnknown(
            f"There is no public price for {license_type.name} in {account.currency}.",
            "Ask us for an offer: it is sold on request only.",
        )
    list_in_force(facts.price_lists, today)


def _check_covers_servers(account: Account, license_type: LicenseType, quantity: int) -> None:
    """A trial's servers go on under the paid licenses, so there must be enough of them (T4)."""
    used = licensing.seats_in_use(account_id=account.pk, license_type=license_type.code)
    if quantity < used:
        raise FewerThanServers(
            f"{counted(used, 'server runs', 'servers run')} in your trial; "
            f"{counted(quantity, 'license is', 'licenses are')} not enough.",
            f"Buy at least {used}, or remove servers first.",
            used=used,
        )


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        raise PriceUnknown(
            f"There is no price per {text[:20]!r}.", "Choose month or year."
        ) from None


def _check_may_grow(subscription: Subscription, license_type: LicenseType) -> None:
    paid_subscription(account_id=subscription.account_id, license_type=license_type.code)
    if subscription.ends_on is not None:
        raise SubscriptionEnding(
            f"Your {license_type.name} subscription ends on {subscription.ends_on}.",
            "Take the cancellation back first.",
        )


def addition(order: PurchaseOrder, *, change_id: int, actor: str, on: date) -> Change:
    """The change an addition makes, priced by the tier of the new total (Q5)."""
    return priced_change(
        order.facts,
        id=change_id,
        on=on,
        kind=ChangeKind.ADD,
        delta=order.quantity,
        note=f"by {actor}" if actor else "",
    )
