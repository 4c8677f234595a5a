"""How money reaches us, and who gets the invoices."""

from __future__ import annotations

import calendar
import re
from datetime import date
from typing import Any

from django import forms

from cln.payments.gateways.sandbox import TEST_CARDS

_EXPIRY = re.compile(r"(0[1-9]|1[0-2])\s*/\s*(?:20)?([0-9]{2})", re.ASCII)


def grouped(number: str) -> str:
    """A card's number as it stands on the card: 4242 4242 4242 4242."""
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


class SandboxCardForm(forms.Form):
    """A card of the sandbox; its number decides what happens to charges."""

    number = forms.CharField(
        label="Card number",
        max_length=23,
        widget=forms.TextInput(attrs={"autocomplete": "cc-number", "inputmode": "numeric"}),
    )
    expires = forms.CharField(
        label="Expires, MM/YY",
        max_length=9,
        widget=forms.TextInput(attrs={"autocomplete": "cc-exp", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        """Remember the day against which the expiry is checked."""
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_number(self) -> str:
        """Only the sandbox's own numbers: nobody shall type a real card here."""
        number = re.sub(r"[\s-]", "", self.cleaned_data["number"])
        if number not in TEST_CARDS:
            raise forms.ValidationError(
                "The sandbox knows only its test cards, such as 4242 4242 4242 4242. "
                "Never type a real card."
            )
        return number

    def clean_expires(self) -> date:
        """The last day of the month on the card."""
        match = _EXPIRY.fullmatch(self.cleaned_data["expires"].strip())
        if match is None:
            raise forms.ValidationError("Write the month and the year as on the card: 09/29.")
        year, month = 2000 + int(match[2]), int(match[1])
        last = date(year, month, calendar.monthrange(year, month)[1])
        if last < self.today:
            raise forms.ValidationError("This card has expired.")
        return last


class ContactForm(forms.Form):
    """Company and where invoices go."""

    company = forms.CharField(label="Company", max_length=200, required=False)
    billing_email = forms.EmailField(
        label="E-mail for invoices and notices",
        max_length=254,
        required=False,
        help_text="Empty: they go to the primary login's address.",
    )
