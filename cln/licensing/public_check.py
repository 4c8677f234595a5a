"""What anybody may ask about an address: which products are licensed there (security §5.14)."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef

from cln.domain.addresses import check_public_address
from cln.domain.dunning import DunningState
from cln.enums import ServerStatus
from cln.licensing.access import holds_a_license
from cln.licensing.models import Entitlement, IpLicense, Server

WITHOUT_SERVICE = (DunningState.SUSPENDED, DunningState.ENDED)


def products_at(*, address: str, now: datetime) -> tuple[str, ...]:
    """The names of the products with a license that is good at an address, sorted.

    Nothing of who holds it, and one question whatever the answer: an address that was never
    licensed, one that was removed and one of a blocked account look alike. Refuses `bad_address`,
    `address_not_public`.
    """
    address = check_public_address(address)
    rights = Entitlement.objects.filter(
        account=OuterRef("account"), license_type=OuterRef("license_type")
    )
    good = Exists(rights.filter(holds_a_license(now), suspended_at=None))
    name = "license_type__product__name"
    servers = Server.objects.filter(good, address=address, status=ServerStatus.ACTIVE)
    licenses = IpLicense.objects.filter(address=address, removed_at=None).exclude(
        account__dunning_state__in=WITHOUT_SERVICE
    )
    found = servers.values_list(name).union(licenses.values_list(name)).order_by(name)
    return tuple(title for (title,) in found)
