"""Becoming a reseller."""

from __future__ import annotations

from decimal import Decimal

from django import forms

from cln.console.forms.autopay import AutopayForm


class DepositForm(forms.Form):
    """Step 1: how much."""

    deposit = forms.DecimalField(
        label="First deposit",
        min_value=Decimal(1),
        max_value=Decimal(100_000),
        decimal_places=2,
        initial=Decimal("100.00"),
        help_text="Charged in one piece. Licenses are paid from it.",
        widget=forms.NumberInput(attrs={"inputmode": "decimal"}),
    )

    def cents(self) -> int:
        """The deposit as verbs take it."""
        return int(self.cleaned_data["deposit"] * 100)


class AgreementForm(DepositForm):
    """Step 2: on which terms. `version`: the agreement that was on the screen."""

    version = forms.CharField(max_length=40, widget=forms.HiddenInput)
    accepted = forms.BooleanField(
        label="I have read the agreement and accept it.",
        error_messages={"required": "Without the agreement nobody becomes a reseller."},
    )


class ConvertForm(AutopayForm, AgreementForm):
    """Step 3: what is charged later."""
