"""How many running servers carry a surcharge: version 6 systems (S1), Imunify Email (S2)."""

from dataclasses import dataclass

from cln.enums import ServerStatus
from cln.licensing.models import FeatureSetting, Server

IMUNIFY_EMAIL = "imunify_email"
IMUNIFY360 = "imunify360"


@dataclass(frozen=True, slots=True)
class SurchargeCounts:
    """Servers counted for each surcharge of one license type."""

    os6_servers: int
    imunify_email_servers: int


def surcharge_counts(*, account_id: int, license_type: str) -> SurchargeCounts:
    """Count the account's running servers of a license type that carry a surcharge today."""
    servers = Server.objects.filter(
        account_id=account_id, license_type__code=license_type, status=ServerStatus.ACTIVE
    ).select_related("license_type__product")
    if not license_type.startswith((IMUNIFY360, "cloudlinux")):
        return SurchargeCounts(0, 0)
    settings = _Settings(account_id, IMUNIFY_EMAIL)
    rows = list(servers)
    return SurchargeCounts(
        os6_servers=sum(row.os_version.split(".")[0] == "6" for row in rows),
        imunify_email_servers=sum(
            row.license_type.product.code == IMUNIFY360 and settings.enabled(row) for row in rows
        ),
    )


class _Settings:
    """One feature of an account on its three levels; the highest that is set wins (F-2)."""

    def __init__(self, account_id: int, feature: str) -> None:
        rows = FeatureSetting.objects.filter(account_id=account_id, feature=feature)
        self._set = {(row.key_id, row.server_id): row.enabled for row in rows}

    def enabled(self, server: Server) -> bool:
        levels = ((None, None), (server.key_id, None), (None, server.pk))
        return next((self._set[level] for level in levels if level in self._set), False)
