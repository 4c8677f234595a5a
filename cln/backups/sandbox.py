"""The provider of sandbox mode: keeps no data, but account of the room it was told to give."""

from collections.abc import Mapping

from django.urls import reverse

from cln import clock
from cln.backups.models import SandboxBackup
from cln.backups.providers import Room


class SandboxProvider:
    """Each call commits on its own, as a provider's server would."""

    def data_centers(self) -> Mapping[str, str]:
        """Two, of which the first is the one CLN had (BK-2)."""
        return {"EU1": "Strasbourg, France", "US1": "Ashburn, United States"}

    def keep(self, room: Room) -> int:
        """A server fills a GB a day, until its room is full."""
        row, _ = SandboxBackup.objects.update_or_create(
            reference=room.reference,
            defaults={"data_center": room.data_center, "size_gb": room.size_gb},
            create_defaults={
                "data_center": room.data_center,
                "size_gb": room.size_gb,
                "since": clock.now(),
            },
        )
        return min(row.size_gb, (clock.now().date() - row.since.date()).days)

    def drop(self, reference: str) -> None:
        """Forget it."""
        SandboxBackup.objects.filter(reference=reference).delete()

    def management_url(self, reference: str) -> str:
        """A page of the sandbox, which shows what is kept here."""
        return reverse("sandbox_backup", args=[reference])


def kept(reference: str) -> SandboxBackup | None:
    """What is kept under a reference."""
    return SandboxBackup.objects.filter(reference=reference).first()
