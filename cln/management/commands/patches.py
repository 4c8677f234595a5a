"""`cln patches FILE`: replace the list of KernelCare's patch levels."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln.licensing.patches import replace_patch_list


class Command(BaseCommand):
    """Exit 0 when done, 1 where a line is wrong; the old list then stays."""

    help = "Replace the list of patch levels by a CSV file: kernel_id,level,released_on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file."""
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Every line is read before anything is changed."""
        rows: dict[tuple[str, int], date] = {}
        try:
            with options["file"].open(newline="", encoding="utf-8") as lines:
                for kernel, level, day in csv.reader(lines):
                    if not 0 < len(kernel) <= 120 or not 0 <= int(level) < 2**31:
                        raise ValueError(f"{kernel!r}, {level!r}")
                    rows[kernel, int(level)] = date.fromisoformat(day)
        except (OSError, ValueError) as error:
            raise CommandError(f"Not a list of kernel_id,level,released_on: {error}") from error
        count = replace_patch_list((*patch, day) for patch, day in rows.items())
        self.stdout.write(f"{count} patch levels")
