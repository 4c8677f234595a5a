"""Is a server's kernel patched as far as it could be? Its own word against the operator's list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from django.db import transaction

from cln.licensing.models import KernelPatch, PatchReport
from cln.licensing.registration import plain_text
from cln.licensing.servers import find_server


class PatchState(StrEnum):
    """The words of KernelCare's monitors."""

    UPTODATE = "uptodate"
    OUTOFDATE = "outofdate"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Patched:
    """What a server told, and how it stands."""

    kernel_id: str
    level: int
    state: PatchState


def note_patch_level(*, secret: str, kernel_id: str, level: int, now: datetime) -> None:
    """Keep what a server says of its kernel. Refusals: `unknown_server`, `server_removed`."""
    server = find_server(secret=secret, now=now)
    PatchReport.objects.update_or_create(
        server=server,
        defaults={"kernel_id": plain_text(kernel_id, 120), "level": level, "reported_at": now},
    )


def replace_patch_list(rows: Iterable[tuple[str, int, date]]) -> int:
    """Let these (kernel, level, day of release) be all patches there are; how many they are."""
    patches = [
        KernelPatch(kernel_id=kernel, level=level, released_on=day) for kernel, level, day in rows
    ]
    with transaction.atomic():
        KernelPatch.objects.all().delete()
        KernelPatch.objects.bulk_create(patches)
    return len(patches)


def patched(public_ids: Iterable[str]) -> dict[str, Patched]:
    """How servers stand, by public id; absent who never told; all is well while there is no list.

    A kernel that the list does not have is unsupported.
    """
    reports = list(
        PatchReport.objects.filter(server__public_id__in=list(public_ids)).values_list(
            "server__public_id", "kernel_id", "level", "server__key__sticky_on"
        )
    )
    listed: dict[str, list[tuple[int, date]]] = defaultdict(list)
    for kernel, level, day in KernelPatch.objects.filter(
        kernel_id__in={report[1] for report in reports}
    ).values_list("kernel_id", "level", "released_on"):
        listed[kernel].append((level, day))
    has_list = bool(listed) or KernelPatch.objects.exists()
    return {
        public_id: Patched(
            kernel,
            level,
            _state(level, listed.get(kernel), sticky) if has_list else PatchState.UPTODATE,
        )
        for public_id, kernel, level, sticky in reports
    }


def _state(level: int, listed: list[tuple[int, date]] | None, sticky: date | None) -> PatchState:
    if listed is None:
        return PatchState.UNSUPPORTED
    wanted = max((one for one, day in listed if sticky is None or day < sticky), default=0)
    return PatchState.UPTODATE if level >= wanted else PatchState.OUTOFDATE
