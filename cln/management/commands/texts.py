"""`cln texts`: collect all texts of the pages for translators."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from cln.management.texts import CATALOGUE, catalogue


class Command(BaseCommand):
    """Write the catalogue anew."""

    help = "Collect all texts of the pages in cln/locale/en/LC_MESSAGES/django.po."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Overwrites the catalogue; its diff is the review."""
        CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
        CATALOGUE.write_text(catalogue(), encoding="utf-8")
        self.stdout.write(f"{CATALOGUE}")
