"""The Django app of the clock."""

from django.apps import AppConfig


class ClockConfig(AppConfig):
    """Holds the table of the sandbox clock."""

    name = "cln.clock"
    label = "clock"
