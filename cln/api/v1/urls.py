"""Every door of REST v1 that is not an agent's; also under `/clweb/api` (V1-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpResponse
from django.urls import URLPattern, path

from cln.api.v1 import backups, els, groups, imunify, ipl, kcare_keys, monitoring, status, usage

Doors = Mapping[str, Callable[..., HttpResponse]]

# Each as `.json` and as `.plain`.
CALLS: Doors = {
    "ipl/availability": ipl.availability,
    "ipl/check": ipl.check,
    "ipl/register": ipl.register,
    "ipl/convert": ipl.convert,
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
    "im/key/create": imunify.create_key,
    "im/key/update": imunify.update_key,
    "im/key/remove": imunify.remove_key,
    "im/key/list": imunify.list_keys,
    "im/srv/list": imunify.list_servers,
    "im/srv/remove": imunify.remove_server,
    "im/srv/convert": imunify.convert_server,
    "els/key/create": els.create_key,
    "els/key/update": els.update_key,
    "els/key/remove": els.remove_key,
    "els/key/list": els.list_keys,
    "els/srv/list": els.list_servers,
    "els/srv/remove": els.remove_server,
    "group/create": groups.create,
    "group/list": groups.list_groups,
    "group/servers/list": groups.list_servers,
    "group/servers/put": groups.put_servers,
    "group/servers/remove": groups.remove_servers,
    "ab/list": backups.list_all,
    "ab/im/create": backups.create,
    "ab/resize": backups.resize,
    "ab/remove": backups.remove,
}


def _under(root: str) -> list[URLPattern]:
    doors = [
        path(f"{root}api/{name}.{form}", view, {"form": form}, name=f"{root}v1_{name}_{form}")
        for name, view in CALLS.items()
        for form in ("json", "plain")
    ]
    return [
        *doors,
        # Clients decode two more things of the status than papers print as lines (§7.2).
        path(f"{root}api/status.json", status.status_json, {"form": "json"}),
        path(f"{root}api/status.plain", status.status_plain, {"form": "plain"}),
        path(f"{root}api/cl/awp", usage.accelerate_wp, {"form": "json"}),
        path(f"{root}api/kcare/patchset.json", monitoring.patchset),
        path(f"{root}api/kcare/patchset/<str:key>", monitoring.patchset_table),
        *(
            path(
                f"{root}api/kcare/nagios/register_key.{form}",
                monitoring.register_key,
                {"form": form},
            )
            for form in ("plain", "json")
        ),
        path(f"{root}api/kcare/nagios/<str:key>", monitoring.nagios),
        path(f"{root}api/kcare/nagios-res/<str:login>/<str:token>", monitoring.nagios_of_account),
    ]


urlpatterns: list[URLPattern] = [*_under(""), *_under("clweb/")]
