"""Usage of AccelerateWP, told by a panel for its server: the agents' report with an API token."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from ninja import Body, Field, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2.callers import V2Request
from cln.api.v2.operation import Door
from cln.enums import AddOn
from cln.licensing import add_ons
from cln.licensing.lookups import server_of_id
from cln.licensing.models import Server

router: Final = Router(tags=["servers"])
door: Final = Door(router=router, root="")


class UseIn(Schema):
    """A site that has the add-on."""

    primary_domain: str = Field(min_length=1, max_length=253)
    username: str | None = Field(None, max_length=64)
    cdn_limit_type: str = Field("", max_length=10, description="Of AWP_CDN: 50 GB and so on.")


class UsageReport(Schema):
    """All sites of a server that have one add-on; who is missing has it no more."""

    product: AddOn
    uses: list[UseIn] = Field(max_length=add_ons.USES_MOST)

    def rows(self) -> list[add_ons.Use]:
        """What the verb takes."""
        return [
            add_ons.Use(self.product, use.primary_domain, use.username or "", use.cdn_limit_type)
            for use in self.uses
        ]


class UsageKept(Schema):
    """How many sites are counted from now on."""

    server: str
    product: AddOn
    uses: int


@door.operation(
    "PUT",
    "/servers/{server}/usage",
    needs=Permission.EDIT_SERVERS,
    answers=UsageKept,
    joins=True,
)
def put_usage(request: V2Request, server: str, report: Body[UsageReport]) -> dict[str, Any]:
    """Report which sites of a server have an add-on of AccelerateWP."""
    row = server_of_id(
        account_id=request.caller.account_id, text=server, products=(add_ons.RUNS_ON,)
    )
    return taken(row, report, now=request.now)


def taken(server: Server, report: UsageReport, *, now: datetime) -> dict[str, Any]:
    """Keep the report of a server, and answer it."""
    uses = add_ons.report_usage(server=server, product=report.product, uses=report.rows(), now=now)
    return {"server": server.public_id, "product": report.product, "uses": uses}
