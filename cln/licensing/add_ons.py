"""Usage of AccelerateWP: each report is the whole truth of its server, and a month is what it had.

A use counts in every month that it touches, in UTC, however short (facts B-63).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar, Final

from django.db import transaction
from django.db.models import Q

from cln.domain.errors import Refusal
from cln.enums import AddOn
from cln.licensing.models import AddOnSpan, Server

USES_MOST: Final = 5_000
CDN_LIMITS: Final = (
    "1 GB", "50 GB", "100 GB", "250 GB", "500 GB", "1 TB", "2.5 TB", "5 TB", "10 TB",
)  # fmt: skip
RUNS_ON: Final = "cloudlinux"
_DOMAIN_LENGTH, _USERNAME_LENGTH = 253, 64


class BadUsage(Refusal):
    """A report of usage that cannot be one."""

    code: ClassVar[str] = "bad_usage"


@dataclass(frozen=True, slots=True)
class Use:
    """A site that has an add-on; `username` may be empty, `cdn_limit_type` is of AWP_CDN only."""

    product: AddOn
    primary_domain: str
    username: str = ""
    cdn_limit_type: str = ""


def report_usage(*, server: Server, product: AddOn, uses: Iterable[Use], now: datetime) -> int:
    """Let these be all sites of the server that have the product; returns how many they are.

    What is missing ends, what is new begins, a changed limit ends and begins: the same report
    again changes nothing. Refuses `bad_usage`.
    """
    wanted = _checked(server, product, uses)
    with transaction.atomic():
        # Two reports of one server at a time would both begin what is new.
        Server.objects.select_for_update(no_key=True).get(pk=server.pk)
        running = {
            (row.primary_domain, row.username): row
            for row in AddOnSpan.objects.filter(server=server, product=product, ended_at=None)
        }
        same = {
            site
            for site, use in wanted.items()
            if site in running and running[site].cdn_limit_type == use.cdn_limit_type
        }
        over = [row.pk for site, row in running.items() if site not in same]
        AddOnSpan.objects.filter(pk__in=over).update(ended_at=now)
        AddOnSpan.objects.bulk_create(
            AddOnSpan(
                account_id=server.account_id,
                server=server,
                product=product,
                primary_domain=use.primary_domain,
                username=use.username,
                cdn_limit_type=use.cdn_limit_type,
                began_at=now,
            )
            for site, use in wanted.items()
            if site not in same
        )
    return len(wanted)


def billable(*, account_id: int, products: Collection[AddOn], month: date) -> tuple[Use, ...]:
    """The account's uses of a month (any day of it), each site once, by product and domain.

    Of several limits in a month the last one counts.
    """
    since = datetime(month.year, month.month, 1, tzinfo=UTC)
    until = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    rows = AddOnSpan.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=since),
        Q(server__removed_at=None) | Q(server__removed_at__gt=since),
        account_id=account_id,
        product__in=products,
        began_at__lt=until,
    ).order_by("began_at", "pk")
    found = {
        (row.product, row.primary_domain, row.username): Use(
            AddOn(row.product), row.primary_domain, row.username, row.cdn_limit_type
        )
        for row in rows
    }
    return tuple(found[site] for site in sorted(found))


def _checked(server: Server, product: AddOn, uses: Iterable[Use]) -> dict[tuple[str, str], Use]:
    if server.license_type.product.code != RUNS_ON:
        raise BadUsage("AccelerateWP runs on servers of CloudLinux OS.")
    wanted = {}
    for use in uses:
        name = use.primary_domain[:60]
        if not use.primary_domain.strip() or len(use.primary_domain) > _DOMAIN_LENGTH:
            raise BadUsage(f"A primary domain has 1 to {_DOMAIN_LENGTH} letters.")
        if len(use.username) > _USERNAME_LENGTH:
            raise BadUsage(f"The username of {name} is too long.")
        if not (use.primary_domain + use.username).isprintable():
            raise BadUsage("A domain or a username holds what is no letter.")
        if (use.cdn_limit_type in CDN_LIMITS) is not (product is AddOn.CDN):
            raise BadUsage(
                f"The CDN limit of {name} is not one there is.",
                f"Of {AddOn.CDN} it is one of {', '.join(CDN_LIMITS)}; else leave it out.",
            )
        wanted[use.primary_domain, use.username] = use
    if len(wanted) > USES_MOST:
        raise BadUsage(f"A server reports at most {USES_MOST:,} sites.")
    return wanted
