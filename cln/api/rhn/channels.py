"""Channels: package repositories in a directory that the operator provides (CLN_CHANNELS_DIR).

A channel is a folder with `repodata/repomd.xml` in it, named `NAME-ARCH-server-RELEASE` like the
vendor's own `cloudlinux-x86_64-server-8`. A system sees those of its architecture and release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from cln.licensing.models import System

BASE = "cloudlinux"
LABEL = re.compile(r"(?P<name>[a-z0-9][a-z0-9_.+-]*?)-(?P<arch>[a-z0-9_]+)-server-(?P<release>\d+)")
INDEX = "repodata/repomd.xml"


@dataclass(frozen=True, slots=True)
class Channel:
    """One repository: its folder, whose name is its label, and when its index changed (UTC)."""

    folder: Path
    name: str
    arch: str
    release: str
    changed_at: datetime

    @property
    def label(self) -> str:
        """What clients call it."""
        return self.folder.name

    @property
    def is_base(self) -> bool:
        """Whether it is the system itself; the others are its children."""
        return self.name == BASE

    @property
    def parent(self) -> str:
        """The label of the base channel it belongs to; "" for a base channel."""
        return "" if self.is_base else f"{BASE}-{self.arch}-server-{self.release}"

    @property
    def last_modified(self) -> str:
        """The instant of its last change as clients compare it, `YYYYMMDDhhmmss`."""
        return self.changed_at.strftime("%Y%m%d%H%M%S")


def channels_of(system: System) -> list[Channel]:
    """What a system may install from, its base channel first."""
    arch = system.architecture.partition("-")[0]
    release = system.os_release.partition(".")[0]
    mine = [one for one in _channels() if (one.arch, one.release) == (arch, release)]
    return sorted(mine, key=lambda one: (not one.is_base, one.label))


def file_of(channel: Channel, path: str) -> Path | None:
    """A file of a channel; None where there is none, or where the path leads out of the channel."""
    root = channel.folder.resolve()
    try:
        file = (root / path).resolve()
        is_ours = file.is_relative_to(root) and file.is_file()
    except (OSError, ValueError):  # too long a name, a NUL in it
        return None
    return file if is_ours else None


def _channels() -> list[Channel]:
    if not settings.CLN_CHANNELS_DIR:
        return []
    folders = (index.parents[1] for index in settings.CLN_CHANNELS_DIR.glob(f"*/{INDEX}"))
    return [
        Channel(
            folder=folder,
            name=known["name"],
            arch=known["arch"],
            release=known["release"],
            changed_at=datetime.fromtimestamp((folder / INDEX).stat().st_mtime, UTC),
        )
        for folder in folders
        if (known := LABEL.fullmatch(folder.name))
    ]
