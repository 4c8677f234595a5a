"""Every door of CLN; each interface keeps its own list."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from cln.api import health
from cln.api.v2.urls import no_such_door

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("cln.api.urls")),
    *no_such_door,
    path("", include("cln.console.urls")),
]

handler403 = "cln.web.permission_denied"
handler404 = "cln.web.page_not_found"
handler429 = "cln.web.too_many_requests"
handler500 = "cln.web.server_error"
