"""Becoming a reseller."""

from __future__ import annotations

from decimal import Decimal

from django import forms

from cln.domain.autopay import AutopayMode, AutopayRule

AUTOPAY_CHOICES = [
    (
        AutopayMode.REPAY.value,
        "Repay: below zero, one charge of what is missing, 20.00 at least",
    ),
    (
        AutopayMode.ADD_FUNDS.value,
        "Add funds: below 100.00, one charge brings it to the target below",
    ),
    (AutopayMode.OFF.value, "Off: nothing is charged by itself"),
]


class DepositForm(forms.Form):
    """Step 1: how much."""

    deposit = forms.DecimalField(
        label="First deposit",
        min_value=Decimal(1),
        max_value=Decimal(100_000),
        decimal_places=2,
        initial=Decimal("100.00"),
        help_text="Taken at once, in one charge. Licenses are paid from it.",
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


class AutopayForm(forms.Form):
    """How the deposit is kept filled (R4)."""

    mode = forms.ChoiceField(
        label="Keep the deposit filled",
        choices=AUTOPAY_CHOICES,
        initial=AutopayMode.REPAY.value,
        widget=forms.RadioSelect,
    )
    target = forms.DecimalField(
        label="Target balance",
        min_value=Decimal(0),
        max_value=Decimal(100_000),
        decimal_places=2,
        required=False,
        help_text="For “Add funds” only; at least 100.00.",
        widget=forms.NumberInput(attrs={"inputmode": "decimal"}),
    )

    def rule(self) -> AutopayRule:
        """The choice as verbs take it."""
        mode = AutopayMode(self.cleaned_data["mode"])
        target = int((self.cleaned_data["target"] or Decimal(0)) * 100)
        return AutopayRule(mode, target if mode is AutopayMode.ADD_FUNDS else 0)


class ConvertForm(AutopayForm, AgreementForm):
    """Step 3: what is charged later."""
