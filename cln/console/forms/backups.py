"""Forms of backups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from cln.backups.services import SEARCH_MAX, SIZE_MAX_GB

USUAL_GB = 10


class BackupForm(forms.Form):
    """How much room, and where (BK-2)."""

    size = forms.IntegerField(
        label="Size (GB)", initial=USUAL_GB, min_value=1, max_value=SIZE_MAX_GB
    )
    data_center = forms.ChoiceField(label="Data center")

    def __init__(self, *args: Any, data_centers: Mapping[str, str], **kwargs: Any) -> None:
        """Offer the provider's data centers."""
        super().__init__(*args, **kwargs)
        choice = self.fields["data_center"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(code, f"{code} | {place}") for code, place in data_centers.items()]


class ResizeForm(forms.Form):
    """So many GB more or less."""

    delta = forms.IntegerField(
        label="GB more, or less with a minus",
        initial=USUAL_GB,
        min_value=-SIZE_MAX_GB,
        max_value=SIZE_MAX_GB,
    )


class RelinkForm(forms.Form):
    """Which server a backup belongs to."""

    server = forms.CharField(
        label="Server", help_text="Its name, its IP or its id.", max_length=SEARCH_MAX
    )
