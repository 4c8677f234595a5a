"""Buying, keys and giving up."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from cln.domain.calendar import Interval

QUANTITY_MAX = 100_000


class PurchaseForm(forms.Form):
    """How many, and how they are paid."""

    INTERVALS: ClassVar = [(Interval.MONTH.value, "Monthly"), (Interval.YEAR.value, "Yearly")]

    quantity = forms.IntegerField(
        label="Number of server licenses",
        min_value=1,
        max_value=QUANTITY_MAX,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    interval = forms.ChoiceField(
        label="Payment plan", choices=INTERVALS, widget=forms.Select(attrs={})
    )


class KeyForm(forms.Form):
    """What a key allows."""

    limit = forms.IntegerField(
        label="Server quantity limit",
        help_text="How many servers may use this key. Empty or 0: as many as there are licenses.",
        min_value=0,
        max_value=QUANTITY_MAX,
        required=False,
    )
    unlimited = forms.BooleanField(
        label="Unlimited", help_text="Ticked, the number above does not count.", required=False
    )
    note = forms.CharField(
        label="Note", help_text="For you: at most 100 characters.", max_length=100, required=False
    )
    cidrs = forms.CharField(
        label="IP ranges",
        help_text="One a line, such as 192.0.2.0/24. Empty: from anywhere.",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def values(self) -> dict[str, object]:
        """The form as the verbs take it."""
        cleaned = self.cleaned_data
        return {
            "limit": 0 if cleaned["unlimited"] else cleaned["limit"] or 0,
            "note": cleaned["note"],
            "cidrs": cleaned["cidrs"].split(),
        }


class StickyForm(forms.Form):
    """Before which day patches are wanted; empty = all."""

    sticky_on = forms.DateField(
        label="Sticky tag",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )


class FeatureForm(forms.Form):
    """One answer to one switch."""

    ANSWERS: ClassVar = {"unset": None, "on": True, "off": False}
    feature = forms.CharField(max_length=40)
    enabled = forms.ChoiceField(choices=[(answer, answer) for answer in ANSWERS])

    def answer(self) -> bool | None:
        """On, off, or None for "as elsewhere"."""
        return self.ANSWERS[self.cleaned_data["enabled"]]


class RemoveServerForm(forms.Form):
    """The one question: what becomes of the license?"""

    KEEP, CANCEL = "keep", "cancel"
    license = forms.ChoiceField(
        label="What should become of its license?",
        choices=[(KEEP, "Keep it free for another server"), (CANCEL, "Cancel it as well")],
        widget=forms.RadioSelect,
    )


class RemoveUnusedForm(forms.Form):
    """How many licenses to keep; empty = as many as servers use them."""

    keep = forms.IntegerField(
        label="Licenses to keep",
        min_value=0,
        max_value=QUANTITY_MAX,
        required=False,
        help_text="Empty: exactly as many as servers use.",
    )


class UnsubscribeForm(forms.Form):
    """When it ends."""

    when = forms.ChoiceField(
        label="When should it end?",
        choices=[
            ("period_end", "At the end of the paid period; it can be taken back until then"),
            ("now", "Now; the rest of the paid period is not credited"),
        ],
        initial="period_end",
        widget=forms.RadioSelect,
    )
