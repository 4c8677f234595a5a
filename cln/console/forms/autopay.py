"""How a deposit is kept filled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from cln.catalog.queries import rules
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.domain.money import money_text


class AutopayForm(forms.Form):
    """Whether and when the deposit is topped up by itself (R4)."""

    mode = forms.ChoiceField(
        label="Keep the deposit filled",
        initial=AutopayMode.REPAY.value,
        widget=forms.RadioSelect,
    )
    target = forms.DecimalField(
        min_value=Decimal(0),
        max_value=Decimal(100_000),
        decimal_places=2,
        required=False,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "0.01"}),
    )

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        """Name the amounts that the operator has set."""
        super().__init__(*args, **kwargs)
        now = rules()
        floor = money_text(now.autopay_floor_cents, currency)
        least = money_text(now.autopay_minimum_cents, currency)
        repay = f"Repay: below zero, one charge of what is missing, {least} at least"
        add_funds = f"Add funds: below {floor}, one charge brings it to the target below"
        mode = self.fields["mode"]
        assert isinstance(mode, forms.ChoiceField), "as declared above"
        mode.choices = [
            (AutopayMode.REPAY.value, repay),
            (AutopayMode.ADD_FUNDS.value, add_funds),
            (AutopayMode.OFF.value, "Off: nothing is charged by itself"),
        ]
        self.fields["target"].label = f"Target balance, in {currency}"
        self.fields["target"].help_text = f"For “Add funds” only; at least {floor}."

    def rule(self) -> AutopayRule:
        """The choice as verbs take it."""
        mode = AutopayMode(self.cleaned_data["mode"])
        target = int((self.cleaned_data["target"] or Decimal(0)) * 100)
        return AutopayRule(mode, target if mode is AutopayMode.ADD_FUNDS else 0)
