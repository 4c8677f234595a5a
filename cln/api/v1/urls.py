"""Every door of REST v1 that is not an agent's; also under `/clweb/api` (V1-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpResponse
from django.urls import URLPattern, path

from cln.api.v1 import ipl, kcare_keys, monitoring, status

Doors = Mapping[str, Callable[..., HttpResponse]]

JSON: Doors = {
    "status": status.status_json,
    "ipl/availability": ipl.availability,
    "ipl/check": ipl.check,
    "ipl/register": ipl.register,
    "ipl/remove": ipl.remove,
    "ipl/list": ipl.list_all,
    "ipl/server": ipl.server,
    "ipl/update": ipl.update,
    "kcare/key/create": kcare_keys.create_key,
    "kcare/key/delete": kcare_keys.delete_key,
    "kcare/key/list": kcare_keys.list_keys,
    "kcare/key/servers": kcare_keys.key_servers,
    "kcare/key/set_cidr": kcare_keys.set_cidr,
    "kcare/srv/remove": kcare_keys.remove_server,
}


def _under(root: str) -> list[URLPattern]:
    doors = [
        path(f"{root}api/{name}.json", view, {"form": "json"}, name=f"{root}v1_{name}")
        for name, view in JSON.items()
    ]
    return [
        *doors,
        path(f"{root}api/status.plain", status.status_plain, {"form": "plain"}),
        path(f"{root}api/kcare/patchset.json", monitoring.patchset),
        path(f"{root}api/kcare/nagios/<str:key>", monitoring.nagios),
        path(f"{root}api/kcare/nagios-res/<str:login>/<str:token>", monitoring.nagios_of_account),
    ]


urlpatterns: list[URLPattern] = [*_under(""), *_under("clweb/")]
