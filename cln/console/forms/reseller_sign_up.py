"""The steps of becoming a reseller from outside: deposit, payment method, login (R1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from cln.console.forms.autopay import AutopayForm
from cln.console.forms.billing import SandboxCardForm
from cln.console.forms.conversion import DepositForm
from cln.console.forms.sign_in import NewPersonForm

WORDS = {"stripe": "A card, entered at Stripe", "paypal": "PayPal"}


class FirstDepositForm(DepositForm):
    """How much, and in what; it is the currency of the account for ever."""

    def __init__(self, *args: Any, currencies: Sequence[str], **kwargs: Any) -> None:
        """Offer the currencies that there are prices in."""
        super().__init__(*args, **kwargs)
        self.fields["currency"] = forms.ChoiceField(
            label="Currency of prices, deposit and invoices",
            help_text="It stays: all invoices of an account are in one currency.",
            choices=[(one, one) for one in currencies],
        )


class FirstMethodForm(AutopayForm):
    """Where mail goes, and how the deposit is kept filled afterwards (R4)."""

    email = forms.EmailField(
        label="Your e-mail",
        max_length=254,
        help_text="It gets the receipt, and you can sign in with it.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class CardForm(SandboxCardForm, FirstMethodForm):
    """In a sandbox the card is typed here."""


class AddressForm(FirstMethodForm):
    """Else it is entered on the page of a gateway."""

    def __init__(self, *args: Any, gateways: Sequence[str], **kwargs: Any) -> None:
        """Offer the gateways of this installation that have pages of their own."""
        super().__init__(*args, **kwargs)
        self.fields["gateway"] = forms.ChoiceField(
            label="Pay with",
            choices=[(name, WORDS[name]) for name in gateways if name in WORDS],
            initial=gateways[0] if gateways else "",
            widget=forms.RadioSelect,
        )


class ApplicantForm(NewPersonForm):
    """Who signs in, and where bills go."""

    username = forms.CharField(
        label="Login (optional)",
        max_length=60,
        required=False,
        help_text="One is made from your e-mail if you leave it empty. Programs sign in with it.",
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    billing_email = forms.EmailField(
        label="E-mail for billing",
        max_length=254,
        required=False,
        help_text="Invoices and notices about money go there.",
    )
