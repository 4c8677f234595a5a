"""Requests as clients of the field put them on the wire, sent over a socket to `cln serve`.

Byte for byte: which characters are encoded, which headers go along, in which order the arguments
come (facts §7.13, V1-5, V1-6, §9, §10). One server answers them all, in this order.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from cln.licensing.services import create_key, reveal
from tests.customers import database_url
from tests.licensing import NOW
from tests.serving import free_port, start_cln
from tests.v1 import a_client

GO = "User-Agent: Go-http-client/1.1\nContent-Type: application/json\nAccept-Encoding: gzip"
NODE = "Content-Type: application/x-www-form-urlencoded\nAccept: application/json"
PYTHON = "User-Agent: python-requests/2.31.0\nAccept: */*\nConnection: keep-alive"
RHN = (
    "User-Agent: rhn.rpclib.py/$Revision$\nContent-Type: text/xml\nAccept-Encoding: identity\n"
    "X-Client-Version: 1\nX-Info: RPC Processor (C) Red Hat, Inc (version $Revision$)\n"
    "X-Up2date-Version: 2.11.0\nX-RHN-Client-Capability: reboot.reboot(1)=1,reboot.reboot(1)=1\n"
    "X-RHN-Transport-Capability: follow-redirects=3"
)
JSON_BEARER = "Content-Type: application/json\nAuthorization: Bearer T"
OK = r'\{"success":true,"message":(?:""|null),"type":null,"data":'
IS_DONE = "<value><i4>0</i4></value>"

# What is sent: method and target, headers, body; then the status, and what the body must match.
# T is a token with raw bars, %T the same with %7C; KC and ELS are keys.
CORPUS: list[tuple[str, str, str, int, str]] = [
    # PHP: raw bars, the token last; types() begins with an empty pair.
    ("GET /api/status.json", "Accept: */*", "", 200, OK + r'\{"db_clweb_connected":true.*\}\}'),
    ("GET /api/ipl/check.json?ip=192.0.2.1&token=T", "Accept: */*", "", 200, OK + r"\[\]\}"),
    ("GET /api/ipl/check.json?ip=66.45.228.100.1&token=T", "", "", 200, r'\{"success":false,.*'),
    ("GET /api/v2/ip-license/licenses/types?&token=T", "", "", 200, OK + r'\[\{"id":1,.*\]\}'),
    ("GET / HTTP/1.0", "", "", 200, r".*<html.*"),
    # Go: raw bars alone, %7C with parameters in the order of the alphabet; a type and no body.
    ("GET /api/kcare/key/list.json?token=T", GO, "", 200, OK + r'\[\{"key":"KC".*\}\]\}'),
    (
        "GET /api/ipl/register.json?ip=192.0.2.1&token=%T&type=16",
        GO,
        "",
        200,
        OK + r'\{"ip":"192.0.2.1","type":16,"registered":false,"created":"[-0-9T:]{16}\+0000"\}\}',
    ),
    ("GET /api/kcare/key/delete.json?token=T", GO, "", 200, r'\{"success":false,.*"data":null\}'),
    ("GET /api/ab/list.json?token=T", GO, "", 200, r'\{"success":false,.*"data":\[\]\}'),
    # WHMCS: http_build_query; a note in quotes with a letter beyond ASCII.
    (
        "GET /api/kcare/key/create.json?limit=0&note=%22whmcs-module%3A+Zo%C3%AB%22&token=%T",
        "Accept: */*",
        "",
        200,
        OK + r'"\w{16}"\}',
    ),
    ("GET /api/ipl/server.json?ip=192.0.2.1&token=%T", "", "", 200, OK + r'\[\{.*"type":16.*\]\}'),
    ("GET /api/kcare/key/delete.json?key=&token=%T", "", "", 200, r'\{"success":true,.*false\}'),
    # Node: a form's type on GET, the token last, empty pairs.
    ("GET /clweb/api/ipl/list.json?&a=&&token=T", NODE, "", 200, OK + r'\[\{"ip":"192.0.2.1",.*'),
    # Python: %7C, arguments as they are given.
    ("GET /api/ipl/remove.json?token=%T&ip=192.0.2.1", PYTHON, "", 200, OK + r"true\}"),
    ("GET /api/ipl/remove.json?token=%T&ip=192.0.2.1&type=1", PYTHON, "", 200, OK + r"false\}"),
    # The scripts of ELS products look for 200 in the first line and for "token":" without a blank.
    (
        "POST /cln/api/centos/token/register",
        "User-Agent: curl/7.61.1\nAccept: */*\nContent-Type: application/json",
        '{"key": "ELS", "host_name": "web1"}',
        200,
        r'\{.*"token":"[\w-]+".*\}',
    ),
    # The verbs of the papers, with forms and JSON.
    ("PUT /api/els/key/update.json", NODE, "token=%T&key=ELS&note=x", 200, OK + r'\{"key":"ELS".*'),
    ("DELETE /api/els/key/remove.json?token=T&key=ELS", "", "", 200, OK + r'\[\{"key":"ELS"\}\]\}'),
    ("POST /api/group/create.json", GO, '{"token":"T","name":"shops"}', 200, OK + r"\{.*\}\}"),
    # REST v2: the token as a bearer with raw bars, arguments in the query of a POST.
    (
        "POST /api/v2/ip-license/licenses?ip=192.0.2.9&type=1",
        "Authorization: Bearer T\nContent-Length: 0",
        "",
        200,
        OK + r'\{"ip":"192.0.2.9","type":1,.*\}\}',
    ),
    (
        "POST /api/v2/ip-license/licenses",
        f"{JSON_BEARER}\nX-Partner-Login: acme\nX-Secret-Key: s",
        '{"ip":"192.0.2.9","type":16}',
        200,
        OK + r'\{"ip":"192.0.2.9","type":16,.*\}\}',
    ),
    ("GET /api/v2/ip-license/licenses", JSON_BEARER, "", 200, OK + r"\[\{.*\}\]\}"),
    ("DELETE /api/v2/ip-license/licenses?ip=192.0.2.9&type=16", JSON_BEARER, "", 200, OK + ".*"),
    (
        "DELETE /api/v2/ip-license/licenses?ip=192.0.2.9&type=16",
        JSON_BEARER,
        "",
        404,
        r'\{.*"success":false,"message":".*',
    ),
    (
        "PATCH /api/v2/features/account?token=T",
        "Content-Type: application/json",
        '{"4600":"UNSET"}',
        200,
        OK + r'\{.*"4600":"UNSET".*\}\}',
    ),
    # XML-RPC: typed and untyped values, whichever type of content, over HTTP/1.0.
    (
        "POST /clweb/xmlrpc HTTP/1.0",
        "Content-Type: application/xml",
        "<methodCall><methodName>registration.remove_license</methodName><params>"
        "<param><value>T</value></param><param><value><string>192.0.2.9</string></value></param>"
        "<param><value><int>1</int></value></param></params></methodCall>",
        200,
        f".*{IS_DONE}.*",
    ),
    (
        "POST /XMLRPC",
        RHN,
        "<?xml version='1.0' encoding='UTF-8'?>\n<methodCall>\n"
        "<methodName>registration.welcome_message</methodName>\n<params>\n</params>\n</methodCall>",
        200,
        ".*<string>Welcome to CLN</string>.*",
    ),
    # KernelCare's agent, its monitors, ELS's curl.
    (
        "GET /api/kcare/register_server.plain?hostname=db1&key=KC",
        "User-Agent: kcarectl",
        "",
        200,
        r"success:true\nserver_id:[A-Za-z]\w{15}\ncode:0\n",
    ),
    # Scanners: a bare list, or ePortal's rows.
    (
        "GET /api/kcare/patchset.json?key=KC",
        PYTHON,
        "",
        200,
        r'\[\{"host":"db1","ip":"[.\d]+","kernel_id":"","patch_level":0\}\]',
    ),
    ("GET /api/kcare/patchset/KC", "", "", 200, r'\{"data":\[\["[.\d]+","",0\]\]\}'),
    ("GET /clweb/public/license-lookup.xhtml?ip=192.0.2.9", "", "", 200, ".*License for IP: .*"),
    ("GET /api/kcare/nagios/KC", "", "", 200, r"KernelCare OK.*\|uptodate=1;.*\n"),
    (
        "POST /cln/api/els/token/register",
        "User-Agent: curl/7.61.1\nAccept: */*\nContent-Type: application/json",
        '{"key":"gone","host_name":"web1"}',
        404,
        r'\{"message":"There is no such activation key\..*"\}',
    ),
]


@pytest.fixture
def port() -> Iterator[int]:
    """Where `cln serve` answers, over the tests' database."""
    folder, at = Path(tempfile.mkdtemp(prefix="cln corpus ")), free_port()
    process = start_cln(
        *("serve", "--port", str(at), "--web", "1", "--workers", "0"),
        data_dir=folder,
        CLN_DATABASE_URL=database_url(),
        CLN_SECRET_KEY=settings.SECRET_KEY,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == f"CLN is up at http://127.0.0.1:{at}\n"
        yield at
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
        shutil.rmtree(folder)


def on_the_wire(line: str, headers: str, body: str, *, in_chunks: bool = False) -> bytes:
    """The bytes of a request."""
    start = line if " HTTP/" in line else f"{line} HTTP/1.1"
    sent = body.encode()
    more = [*filter(None, headers.splitlines()), "Connection: close", "Host: cln.example.com"]
    if in_chunks:
        more.append("Transfer-Encoding: chunked")
        half = len(sent) // 2
        parts = (sent[:half], sent[half:], b"")
        sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    elif sent:
        more.append(f"Content-Length: {len(sent)}")
    return "\r\n".join([start, *more, "", ""]).encode() + sent


def answered(port: int, request: bytes) -> tuple[int, str]:
    """Status and body."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@pytest.mark.django_db(transaction=True)
def test_every_client_is_answered_as_it_expects(port: int) -> None:
    acme = a_client()
    whose = {"account_id": acme.account.pk, "actor": "acme", "now": NOW}
    known = {
        "%T": acme.token.replace("|", "%7C"),
        "KC": reveal(create_key(license_type="kernelcare", **whose)),
        "ELS": reveal(create_key(license_type="els_centos6", **whose)),
    }

    def filled(text: str) -> str:
        text = re.sub(r"\bT\b", acme.token, text.replace("%T", "\0"))
        text = text.replace("\0", known["%T"])
        return re.sub(r"\b(KC|ELS)\b", lambda found: known[found[0]], text)

    for line, headers, body, status, expected in CORPUS:
        request = on_the_wire(filled(line), filled(headers), filled(body))
        told, text = answered(port, request)
        assert told == status, (line, text)
        assert re.fullmatch(filled(expected), text, re.DOTALL), (line, text)

    in_chunks = on_the_wire("POST /api/ipl/list.json", NODE, filled("token=%T"), in_chunks=True)
    assert re.fullmatch(OK + r"\[.*\]\}", answered(port, in_chunks)[1])
