"""Editions of CloudLinux OS that older systems cannot run (facts P-5a, P-6, AR-39)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from cln.catalog.models import LicenseType
from cln.domain.errors import Refusal
from cln.licensing.surcharges import major_version

FIRST_VERSION: Final[Mapping[str, int]] = {"cloudlinux_solo": 8, "cloudlinux_admin": 8}
"""License type → the first version of CloudLinux OS there is of it."""


class EditionNeedsNewerSystem(Refusal):
    """The machine runs a version that its key's edition was never made for."""

    code: ClassVar[str] = "edition_needs_newer_system"


def check_edition(license_type: LicenseType, *, os_version: str) -> None:
    """Whether a machine that runs this version can have the edition; an unknown version can.

    Refuses `edition_needs_newer_system`.
    """
    first, runs = FIRST_VERSION.get(license_type.code), major_version(os_version)
    if first is not None and runs and int(runs) < first:
        raise EditionNeedsNewerSystem(
            f"{license_type.name} needs version {first} or newer; this machine runs {runs[:10]}.",
            "Use a license of CloudLinux OS Shared, or upgrade the system.",
        )
