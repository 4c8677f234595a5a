"""Charges as the adapters see them, without a database."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cln.payments.gateways import (
    Back,
    Charge,
    Gateway,
    Outcome,
    Payer,
)
from tests.vendor import Taken, Vendor

BACK = Back("https://shop.example/done", "https://shop.example/left")
ACME = Payer("acc_acme", "billing@acme.example")
BOTH = pytest.mark.parametrize("name", ["stripe", "paypal"])
TAKEN = Taken("att_1", 1234, "USD")


def charge_at(vendor: Vendor, name: str, reference: str = "att_1") -> Charge:
    """A charge of 12.34 by a stored method, not announced yet."""
    side = vendor.stripe.add_card() if name == "stripe" else vendor.paypal.add_agreement()
    return Charge(reference, side, "acc_acme", 1234, "USD")


def announced(gateway: Gateway, charge: Charge) -> Charge:
    """The charge, with what the gateway calls it."""
    return dataclasses.replace(charge, gateway_charge=gateway.announce(charge))


def fate(gateway: Gateway, charge: Charge) -> Outcome | None:
    return gateway.find_by_reference(charge.reference, gateway_charge=charge.gateway_charge)


def close(gateway: Gateway, charge: Charge) -> Outcome | None:
    return gateway.close(
        charge.reference, gateway_charge=charge.gateway_charge, may_take=lambda: True
    )


def posted(vendor: Vendor, name: str, event: dict[str, object]) -> dict[str, object]:
    """What the vendor posts to us about an event."""
    side = vendor.stripe if name == "stripe" else vendor.paypal
    return side.webhook(json.loads(json.dumps(event)))
