"""What is said of servers and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django import forms

from cln.flows.conversion_preview import ConversionOption
from cln.licensing.groups import DESCRIPTION_LENGTH, NAME_LENGTH

USUAL = ""


class PutIntoGroupForm(forms.Form):
    """Which group; a name that is new opens one (G-3)."""

    group = forms.CharField(
        label="Choose a group or type the name of a new one",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off"}),
    )


class ServerGroupForm(forms.Form):
    """The group of one server; "" = none."""

    group = forms.ChoiceField(label="Group", required=False)

    def __init__(self, *args: Any, names: Sequence[str], **kwargs: Any) -> None:
        """Offer the groups there are."""
        super().__init__(*args, **kwargs)
        self.fields["group"].choices = [  # type: ignore[attr-defined]
            ("", "No group"),
            *((name, name) for name in names),
        ]


class SpanField(forms.TypedChoiceField):
    """A span of time out of a list; "" = as everywhere."""

    def __init__(self, choices: Sequence[tuple[int, str]], usual: str, **kwargs: Any) -> None:
        """`choices`: minutes and words."""
        super().__init__(
            choices=[(USUAL, usual), *choices],
            coerce=lambda minutes: timedelta(minutes=int(minutes)),
            empty_value=None,
            required=False,
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        """A span as the choice that stands for it."""
        return value // timedelta(minutes=1) if isinstance(value, timedelta) else value


class WatchForm(forms.Form):
    """How often a server is expected."""

    PERIODS: ClassVar = [
        (15, "every 15 minutes"),
        (60, "every hour"),
        (360, "every 6 hours"),
        (720, "every 12 hours"),
        (2880, "every 2 days"),
        (10080, "every week"),
        (44640, "every 31 days"),
    ]
    period = SpanField(PERIODS, "every 24 hours (usual)", label="Expected to check in")


class GroupForm(forms.Form):
    """A group of servers."""

    name = forms.CharField(label="Name", max_length=NAME_LENGTH)
    description = forms.CharField(
        label="Description", max_length=DESCRIPTION_LENGTH, required=False
    )


class GraceForm(forms.Form):
    """How long the servers of a group are excused."""

    GRACES: ClassVar = [
        (0, "not at all"),
        (15, "15 minutes"),
        (240, "4 hours"),
        (720, "12 hours"),
        (1440, "a day"),
        (10080, "a week"),
        (44640, "31 days"),
    ]
    grace = SpanField(
        GRACES,
        "1 hour (usual)",
        label="Excused when overdue",
        help_text="So long its servers may be late before they count as silent and you are told.",
    )


class WindowForm(forms.Form):
    """A maintenance window; times are UTC."""

    starts_at = forms.DateTimeField(
        label="From (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    ends_at = forms.DateTimeField(
        label="Until (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    note = forms.CharField(label="Note", max_length=100, required=False)

    def clean_starts_at(self) -> datetime:
        """An instant in UTC."""
        return _utc(self.cleaned_data["starts_at"])

    def clean_ends_at(self) -> datetime:
        """An instant in UTC."""
        return _utc(self.cleaned_data["ends_at"])


class RemoveServersForm(forms.Form):
    """The one question, for many servers."""

    KEEP, CANCEL = "keep", "cancel"
    license = forms.ChoiceField(choices=[(KEEP, "Keep"), (CANCEL, "Cancel")])


class LicenseTypeForm(forms.Form):
    """The new license type, and what becomes of the old license (Q14)."""

    license_type = forms.ChoiceField(widget=forms.RadioSelect)
    old = forms.ChoiceField(choices=[("keep", "Keep"), ("cancel", "Cancel")], required=False)
    once = forms.CharField(max_length=64, required=False)

    def __init__(self, *args: Any, options: Sequence[ConversionOption], **kwargs: Any) -> None:
        """Offer what the server may become."""
        super().__init__(*args, **kwargs)
        self.fields["license_type"].choices = [  # type: ignore[attr-defined]
            (one.license_type, one.name) for one in options if not one.why_not
        ]


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)
