"""The empty database becomes the file's world: settings, prices, accounts, and their names."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import transaction

from cln.accounts.services import create_account
from cln.catalog.models import LicenseType, OperatorRules, PriceList, PriceTier
from cln.catalog.services import load_catalog
from cln.domain.autopay import AutopayRule
from cln.enums import MethodKind
from cln.flows.autopay import set_autopay
from cln.flows.reseller import top_up
from cln.flows.simulation.scenario import Party, Prices, Scenario
from cln.licensing.access import KeyNotFound, UnknownServer
from cln.licensing.models import ActivationKey
from cln.payments import services as payments
from cln.payments.gateways.sandbox import Script, token_for

ACTOR = "simulate"
GATEWAY = "sandbox"
SINCE_EVER = date(2000, 1, 1)
LABELS = {MethodKind.CARD: "Visa •••• 4242", MethodKind.PAYPAL: "PayPal"}


@dataclass(frozen=True, slots=True)
class Machine:
    """A registered server as the machine knows itself."""

    public_id: str
    secret: str
    address: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What the file's names stand for: accounts, and keys and servers by (account, name)."""

    accounts: dict[str, int] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    servers: dict[tuple[str, str], Machine] = field(default_factory=dict)

    def key(self, account: str, name: str) -> str:
        """The public id of a named key. Refuses `unknown_key` if its creation was refused."""
        try:
            return self.keys[account, name]
        except KeyError:
            raise KeyNotFound(
                f"There is no activation key {name!r}.", "Its creation was refused before."
            ) from None

    def default_key(self, account: str, license_type: str) -> str:
        """The public id of the default key of a license type. Refuses `unknown_key`."""
        found = ActivationKey.objects.filter(
            account=self.accounts[account],
            license_type__code=license_type,
            is_default=True,
            removed_at=None,
        )
        public_id = found.values_list("public_id", flat=True).first()
        if public_id is None:
            raise KeyNotFound(
                f"There is no default key of {license_type}.", "Buy it or start a trial first."
            )
        return public_id

    def machine(self, account: str, name: str) -> Machine:
        """A registered server. Refuses `unknown_server` if its registration was refused."""
        try:
            return self.servers[account, name]
        except KeyError:
            raise UnknownServer(
                f"There is no server {name!r}.", "Its registration was refused before."
            ) from None


def set_stage(scenario: Scenario) -> Stage:
    """Fill a migrated, empty database with what the file begins with."""
    stage = Stage()
    with transaction.atomic(durable=True):
        load_catalog()
        OperatorRules.objects.create(overrides=dict(scenario.settings))
        for prices in scenario.prices:
            _make_room(prices, scenario.prices)
        for prices in scenario.prices:
            _write(prices)
        for party in scenario.parties:
            stage.accounts[party.name] = _open(party, now=scenario.starts_at)
    for party in scenario.parties:
        who: dict[str, Any] = {
            "account_id": stage.accounts[party.name],
            "actor": ACTOR,
            "now": scenario.starts_at,
        }
        if party.deposit_cents:
            top_up(**who, amount_cents=party.deposit_cents)
        if party.autopay is not None:
            # After the deposit, which may be all that the rule wants.
            set_autopay(**who, rule=AutopayRule(party.autopay.mode, party.autopay.target_cents))
    return stage


def method_of(kind: MethodKind) -> dict[str, Any]:
    """A card or PayPal agreement of the sandbox, as the payment verbs take it."""
    return {
        "kind": kind,
        "gateway": GATEWAY,
        "token": token_for(Script.OK),
        "label": LABELS[kind],
        "expires_on": None,
    }


def _make_room(prices: Prices, all_prices: tuple[Prices, ...]) -> None:
    """Take away the catalog's lists from the first day on that the file has its own."""
    first = min(
        one.effective_on or SINCE_EVER
        for one in all_prices
        if (one.license_type, one.interval) == (prices.license_type, prices.interval)
    )
    PriceList.objects.filter(
        license_type__code=prices.license_type,
        interval=prices.interval,
        currency=prices.currency,
        effective_on__gte=first,
    ).delete()


def _write(prices: Prices) -> None:
    row = PriceList.objects.create(
        license_type=LicenseType.objects.get(code=prices.license_type),
        interval=prices.interval,
        currency=prices.currency,
        effective_on=prices.effective_on or SINCE_EVER,
    )
    PriceTier.objects.bulk_create(
        PriceTier(price_list=row, from_quantity=tier.from_quantity, unit_cents=tier.unit_cents)
        for tier in prices.tiers
    )


def _open(party: Party, *, now: datetime) -> int:
    account = create_account(
        company=party.name, billing_email=party.billing_email, kind=party.kind, now=now
    )
    if party.method is not None:
        payments.store_method(account=account, **method_of(party.method), now=now)
    return account.pk
