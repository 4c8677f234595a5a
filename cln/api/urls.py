"""Doors for machines. v1 also answers under `/clweb/api`, where old clients look for it."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from cln.api import agents, els_agents, install, kcare, leases, webhooks
from cln.api.rhn.door import rhn
from cln.api.rhn.downloads import download
from cln.api.v1.urls import urlpatterns as v1
from cln.api.v2.urls import urlpatterns as v2
from cln.api.xmlrpc.partner import partner

_KCARE = {
    "register_server": kcare.register_server,
    "unregister_server": kcare.unregister_server,
    "check": kcare.check,
    "checkin": kcare.checkin,
    "sticky_patch": kcare.sticky_patch,
    "tag_server": kcare.tag_server,
    "trial": kcare.trial,
}
_AGENT = {
    "register": agents.register,
    "check-in": agents.check_in,
    "usage": agents.report_usage,
    "unregister": agents.unregister,
    "lease": agents.lease,
    "move": agents.move,
    "move-here": agents.move_here,
}

urlpatterns: list[URLPattern] = [
    path(f"api/v2/agent/{name}", view, name=f"agent_{name.replace('-', '_')}")
    for name, view in _AGENT.items()
]
urlpatterns += [
    path(f"{root}api/kcare/{name}.{form}", view, {"form": form}, name=f"{root}kcare_{name}_{form}")
    for root in ("", "clweb/")
    for name, view in _KCARE.items()
    for form in ("json", "plain")
]
# Clients keep the path of their --serverUrl as it was typed; without one they call /RPC2.
urlpatterns += [
    path("XMLRPC", rhn, name="rhn"),
    path("XMLRPC/", rhn, name="rhn_slash"),
    path("RPC2", rhn, name="rhn_default"),
    # A --serverUrl with a slash at its end makes two of them here.
    re_path(
        r"^(?:XMLRPC|RPC2)//?GET-REQ/(?P<label>[^/]+)/(?P<path>.+)$", download, name="rhn_download"
    ),
    path("clweb/xmlrpc", partner, name="xmlrpc_partner"),
]
urlpatterns += [
    path("api/v2/leases/keys", leases.keys, name="lease_keys"),
    path("api/v2/leases/incident", leases.incident, name="lease_incident"),
    path("showip", leases.show_address, name="showip"),
    path("showip.php", leases.show_address, name="showip_php"),
    path("install/SHA256SUMS", install.checksums, name="install_checksums"),
    path("install/<str:name>", install.download, name="install"),
]
# Scripts of ELS products call these to get the token of their repository (facts AE-1).
urlpatterns += [
    path(f"cln/api/{name}/register", els_agents.register, name=f"els_{name.replace('/', '_')}")
    for name in ("centos/token", "els/token", "els/server")
]
urlpatterns += v1
urlpatterns += v2
urlpatterns += [path("webhooks/<slug:gateway>", webhooks.webhook, name="webhook")]
