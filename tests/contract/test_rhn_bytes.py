"""Every method of RHN, byte for byte, and the headers of every answer (rhn.md §1, §3).

The table is complete by a test. Clients of 2009 search answers with `grep`; Python's library
would read an <int>, a bare text or a nil just as well, so what it reads proves too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xmlrpc.client import dumps, escape, loads

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from cln.accounts.models import Account
from cln.api.rhn.door import METHODS
from cln.flows import ip_licenses
from cln.licensing.models import ActivationKey, Server, SystemAction
from cln.licensing.services import reveal
from cln.licensing.system_actions import schedule_action
from tests.licensing import NOW
from tests.rhn import INVALID_SYSTEM, PACKAGE, PATHS, STATUS, laid_out, machine
from tests.v1 import a_client, fits
from tests.visitors import PASSWORD, a_login

pytestmark = pytest.mark.django_db

CAPABILITIES = (
    "registration.finish_message(1)=1,registration.update_contact_info(1)=1,"
    "registration.delta_packages(1)=1,registration.remaining_subscriptions(1)=1,"
    "registration.update_systemid(1)=1,registration.smbios(1)=1,"
    "xmlrpc.packages.extended_profile(1-2)=1,xmlrpc.login.extra_data(1)=1,"
    "ipv6(1)=1,cpu_sockets(1)=1"
)
ADDRESS = "203.0.113.7"  # where an IP license is held


def text(value: str) -> str:
    return f"<string>{value}</string>"


def members(**values: str) -> str:
    return "".join(
        f"<member><name>{name}</name><value>{value}</value></member>"
        for name, value in values.items()
    )


def systemid_of(release: str = "8") -> str:
    """A systemid document as Python's library writes it, line by line (§4), as a value."""
    fields = ("system_id", "os_release", "operating_system", "architecture", "username", "type")
    told = {
        "username": "…",
        "os_release": release,
        "operating_system": "cloudlinux",
        "architecture": "x86_64",
        "system_id": "ID-…",
        "type": "REAL",
        "profile_name": "web1",
        "description": f"cloudlinux {release}",
        "checksum": "…",
    }
    lines = "".join(
        f"<member>\n<name>{one}</name>\n<value><string>{value}</string></value>\n</member>\n"
        for one, value in told.items()
    )
    names = "".join(f"<value><string>{one}</string></value>\n" for one in fields)
    return text(
        escape(
            '<?xml version="1.0"?>\n<params>\n<param>\n<value><struct>\n'
            f"{lines}<member>\n<name>fields</name>\n<value><array><data>\n{names}</data></array></value>\n"
            "</member>\n</struct></value>\n</param>\n</params>\n"
        )
    )


EMPTY = "<array><data></data></array>"
NEWER = "<struct>{}</struct>".format(
    members(
        system_id=systemid_of(),
        channels=EMPTY,
        failed_channels=EMPTY,
        failed_options=EMPTY,
        system_slots=EMPTY,
        failed_system_slots=EMPTY,
        universal_activation_key=EMPTY,
    )
)
DONE = "<i4>0</i4>"
TICKET = {
    "X-RHN-Server-Id": "<i4>…</i4>",
    "X-RHN-Auth-User-Id": "<string></string>",
    "X-RHN-Auth": "<string>…</string>",
    "X-RHN-Auth-Server-Time": "<string>…</string>",
    "X-RHN-Auth-Expire-Offset": "<string>600.0</string>",
    "X-RHN-Auth-Channels": EMPTY,
}
# What each method answers; `…` is a number or a checksum.
ANSWERS: Mapping[str, str] = {
    "registration.welcome_message": text("Welcome to CLN"),
    "registration.new_system": systemid_of(),
    "registration.register_ip": systemid_of(),
    "registration.new_system_activation_key": NEWER,
    "registration.new_system_user_pass": NEWER,
    "registration.upgrade_version": systemid_of("9"),
    "registration.update_systemid": systemid_of(),
    "registration.add_hw_profile": DONE,
    "registration.refresh_hw_profile": DONE,
    "registration.add_packages": DONE,
    "registration.update_packages": DONE,
    "registration.delta_packages": DONE,
    "registration.delete_packages": DONE,
    "registration.finish_message": (
        "<array><data><value><i4>0</i4></value><value><string></string></value>"
        "<value><string></string></value></data></array>"
    ),
    "registration.remaining_subscriptions": "<i4>1</i4>",
    "registration.privacy_statement": text(""),
    "registration.reserve_user": DONE,
    "registration.new_user": DONE,
    "registration.update_contact_info": DONE,
    "registration.virt_notify": DONE,
    "queue.get": "<struct>"
    + members(
        id="<i4>…</i4>",
        version="<i4>2</i4>",
        action=text(
            "&lt;?xml version='1.0'?&gt;\n&lt;methodCall&gt;\n"
            "&lt;methodName&gt;hardware.refresh_list&lt;/methodName&gt;\n"
            "&lt;params&gt;\n&lt;/params&gt;\n&lt;/methodCall&gt;\n"
        ),
    )
    + "</struct>",
    "queue.submit": DONE,
    "queue.get_future_actions": EMPTY,
    "up2date.login": f"<struct>{members(**TICKET)}</struct>",
    "up2date.listChannels": EMPTY,
}


def sent(method: str, *arguments: Any, path: str = PATHS[0], **extra: str) -> HttpResponse:
    """POST a call. Every answer is plain XML over HTTP 200 with the server's capabilities."""
    answer = Client().post(path, dumps(arguments, method), content_type="text/xml", **extra)
    told = {name: value for name, value in answer.headers.items() if not name.startswith("X-RHN-A")}
    length = told.pop("Content-Length", str(len(answer.content)))
    assert int(length) == len(answer.content)
    for name, value in PLAIN.items():
        assert told.pop(name) == value
    assert answer.status_code == 200
    assert not [name for name in told if name.startswith("X-RHN-Fault")]
    return answer


PLAIN = {
    "Content-Type": "text/xml",
    "Cache-Control": "no-store",
    "X-RHN-Server-Capability": CAPABILITIES,
}


def arguments_of(acme: Account, key: ActivationKey) -> dict[str, tuple[Any, ...]]:
    """Good arguments of every method; a systemid stands first where none is written."""
    login, system = a_login(acme).username, ("web1", "cloudlinux-release", "8", "x86_64")
    return dict.fromkeys(METHODS, ({},)) | {
        "registration.welcome_message": (),
        "registration.new_system": (machine(key),),
        "registration.register_ip": (machine(""),),
        "registration.new_system_activation_key": (*system, reveal(key), {}),
        "registration.new_system_user_pass": (*system, login, PASSWORD, {}),
        "registration.upgrade_version": ("9",),
        "registration.update_systemid": (),
        "registration.add_hw_profile": ([{"class": "CPU", "count": 2}],),
        "registration.refresh_hw_profile": ([{"class": "CPU", "count": 2}],),
        "registration.add_packages": ([PACKAGE],),
        "registration.update_packages": ([PACKAGE],),
        "registration.delta_packages": ({"added": [PACKAGE], "deleted": []},),
        "registration.delete_packages": ([PACKAGE],),
        "queue.get": (2, STATUS),
        "queue.get_future_actions": (24,),
    }


NEEDS_NO_SYSTEM = {
    name for name in METHODS if name.startswith("registration.new_system") or "_ip" in name
} | {"registration.welcome_message"}


def test_each_method_byte_for_byte(acme: Account, key: ActivationKey) -> None:
    ip_licenses.add_ip_license(
        account_id=a_client("zenith").account.pk,
        license_type="cloudlinux",
        address=ADDRESS,
        actor="z",
        now=NOW,
    )
    arguments = arguments_of(acme, key)
    ((systemid,), _) = loads(sent("registration.new_system", machine(key)).content)
    server = Server.objects.get()
    schedule_action(
        account_id=acme.pk,
        server=server.public_id,
        method="hardware.refresh_list",
        actor="acme",
        now=NOW,
    )
    number = SystemAction.objects.get().pk
    arguments["queue.submit"] = (number, 0, "hardware list refreshed", {})
    said = {}

    for method in ANSWERS:
        first = () if method in NEEDS_NO_SYSTEM else (systemid,)
        at = ADDRESS if method == "registration.register_ip" else "127.0.0.1"
        before = transaction.savepoint()
        answer = sent(method, *first, *arguments[method], REMOTE_ADDR=at)
        said[method] = answer.content.decode()
        transaction.savepoint_rollback(before)

    assert set(ANSWERS) == set(METHODS)
    frame = (
        "<?xml version='1.0'?>\n<methodResponse><params><param><value>{}</value></param></params>"
        "</methodResponse>\n"
    )
    assert {
        method: body
        for method, body in said.items()
        if not fits(frame.format(ANSWERS[method]), body)
    } == {}


def test_a_login_repeats_its_answer_in_headers_ar_12(acme: Account, systemid: str) -> None:
    answer = sent("up2date.login", systemid)

    ((ticket,), _) = loads(answer.content)
    assert ticket.pop("X-RHN-Auth-Channels") == []
    repeated = {name: answer[name] for name in answer.headers if name in TICKET}
    assert repeated == {name: str(value) for name, value in ticket.items()}


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("queue.get", INVALID_SYSTEM),
        (
            "registration.migrate",
            (-1, laid_out(1, "Unknown method", "The server does not know this method")),
        ),
        (
            "registration.new_system",
            (-21, laid_out(21, "Required data missing", "Invalid arguments.")),
        ),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_a_fault_is_plain_xml_over_http_200_too(
    path: str, method: str, fault: tuple[int, str]
) -> None:
    code, words = fault

    answer = sent(method, {} if "new_system" in method else "forged", path=path)

    assert answer.content.decode() == (
        "<?xml version='1.0'?>\n<methodResponse><fault><value><struct>"
        f"{members(faultCode=f'<i4>{code}</i4>', faultString=text(words))}"
        "</struct></value></fault></methodResponse>\n"
    )
