"""Every door of REST v2 but the agents' (`cln.api.agents`)."""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern, path
from ninja import NinjaAPI

from cln.api.v2 import (
    account,
    billing,
    document,
    features,
    ip_licenses,
    keys,
    servers,
    usage,
    webhooks,
)
from cln.api.v2.body import StrictParser
from cln.api.v2.entrance import entrance, install_errors
from cln.api.v2.families import family, sub_accounts
from cln.api.v2.operation import DECLARED

__all__ = ["DECLARED", "api", "urlpatterns"]

ROOT: Final = "api/v2/"
api: Final = NinjaAPI(
    title="CLN REST v2",
    version="2",
    description=document.DESCRIPTION,
    openapi_url=None,
    docs_url=None,
    parser=StrictParser(),
)
install_errors(api)

for _root, _products, _by_number in (
    ("cl", ("cloudlinux",), True),
    ("kernelcare", ("kernelcare",), False),
    ("imunify", features.IMUNIFY, False),
    ("els", ("els",), False),
):
    _router, _door = family(_root, *_products, by_number=_by_number)
    if _root == "cl":
        features.cl_doors(_door)
        sub_accounts(_door)
    if _root == "imunify":
        features.imunify_doors(_door)
    api.add_router(_root, _router)
for _module in (account, billing, features, ip_licenses, keys, servers, usage, webhooks):
    api.add_router(_module.door.root, _module.router)


def _patterns() -> list[URLPattern]:
    """One route per address; ninja lists an address once for each of its methods."""
    views = {
        str(pattern.pattern): pattern.callback
        for pattern in reversed(api.urls[0])
        if isinstance(pattern, URLPattern) and pattern.name != "api-root"
    }
    return [
        path(f"{ROOT}{route}", entrance(view), name=f"v2_{route}") for route, view in views.items()
    ]


urlpatterns: list[URLPattern] = [
    *_patterns(),
    path(f"{ROOT}openapi.json", entrance(document.openapi_json(api)), name="v2_openapi"),
    path(f"{ROOT}docs", document.browsable(api), name="v2_docs"),
]
