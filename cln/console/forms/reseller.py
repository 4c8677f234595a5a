"""A reseller's forms: IP licenses, deposit, autopay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms


class AddressesForm(forms.Form):
    """Which license type at which addresses."""

    license_type = forms.ChoiceField(label="License type")
    addresses = forms.CharField(
        label="IP addresses",
        help_text="One, or a whole list: separated by lines, blanks or commas; 5,000 at most.",
        max_length=250_000,
        widget=forms.Textarea(
            attrs={"rows": 6, "spellcheck": "false", "placeholder": "203.0.113.10"}
        ),
    )

    def __init__(self, *args: Any, types: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """Offer what the account can hold."""
        super().__init__(*args, **kwargs)
        choice = self.fields["license_type"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = types


class AddressForm(forms.Form):
    """What an IP license allows, and which type it is."""

    license_type = forms.ChoiceField(
        label="License type",
        help_text="Another one counts from today; the server need not register again.",
    )
    els_allowed = forms.BooleanField(
        label="Allow the repositories of CloudLinux OS 6 and 7", required=False
    )

    def __init__(self, *args: Any, types: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """Offer the types this license can become."""
        super().__init__(*args, **kwargs)
        choice = self.fields["license_type"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = types


class ServerAccountForm(forms.Form):
    """A named part of a reseller's servers."""

    login = forms.CharField(
        label="Login",
        help_text="It names the account; nobody signs in with it.",
        max_length=150,
    )
    email = forms.CharField(label="E-mail", max_length=254, widget=forms.EmailInput)
    first_name = forms.CharField(label="First name", max_length=100, required=False)
    last_name = forms.CharField(label="Last name", max_length=100, required=False)
    company = forms.CharField(label="Company", max_length=200, required=False)
    limit = forms.IntegerField(
        label="Server limit",
        help_text="How many servers may register with its tokens together. Empty or 0: unlimited.",
        min_value=0,
        max_value=100_000,
        required=False,
    )

    def values(self) -> dict[str, Any]:
        """The form as the verbs take it."""
        return self.cleaned_data | {"limit": self.cleaned_data["limit"] or 0}


class AmountForm(forms.Form):
    """How much to add to the deposit."""

    amount = forms.DecimalField(
        label="Amount",
        min_value=1,
        max_value=100_000,
        max_digits=8,
        decimal_places=2,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.01"}),
    )

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        """Say what the amount is in."""
        super().__init__(*args, **kwargs)
        self.fields["amount"].label = f"Amount, in {currency}"

    @property
    def cents(self) -> int:
        """The amount in cents."""
        return int(self.cleaned_data["amount"] * 100)
