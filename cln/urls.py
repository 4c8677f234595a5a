"""Every door of CLN; each interface keeps its own list."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from cln.api import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("cln.api.urls")),
    path("", include("cln.console.urls")),
]

handler400 = "cln.api.edges.bad_request"
handler403 = "cln.web.permission_denied"
handler404 = "cln.api.edges.page_not_found"
handler429 = "cln.web.too_many_requests"
handler500 = "cln.api.edges.server_error"
