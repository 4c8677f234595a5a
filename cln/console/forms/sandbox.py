"""Moving the sandbox clock."""

from django import forms


class AdvanceForm(forms.Form):
    """How far to go forward."""

    days = forms.IntegerField(label="Days", min_value=1, max_value=400, initial=1)
