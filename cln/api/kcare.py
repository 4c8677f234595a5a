"""KernelCare's agent protocol, `/api/kcare/*` (facts §7.1, §10.1): no token, the key speaks."""

from __future__ import annotations

import re
from contextlib import suppress

from django.http import HttpRequest

from cln import clock
from cln.api import check_ins, questions
from cln.api.arguments import caller_address, lenient_arguments
from cln.api.envelope import Answer, v1_endpoint, v1_reading
from cln.api.limits import TOO_OFTEN, count_server, counting_tries
from cln.api.refusals import kcare_number
from cln.api.v1 import kcare_keys
from cln.api.v1.ipl import types_at
from cln.domain.addresses import BadAddress, canonical_address
from cln.domain.errors import Refusal
from cln.licensing import services as licensing
from cln.licensing.patches import note_patch_level
from cln.licensing.sticky import sticky_of
from cln.licensing.tags import tag_server as tag_server_so
from cln.licensing.trial_addresses import trial_at

PRODUCT = "kernelcare"
REGISTERED = 0
VALID, VALID_TRIAL, TRIAL_EXPIRED, NO_LICENSE = range(4)
TAGGED, TAG_UNKNOWN = range(2)
START_A_TRIAL = "Start the trial in your CLN account, then register with its key."
STICKY_SET, STICKY_UNKNOWN, STICKY_NOT_SET = range(3)
_LEVEL = re.compile(r"[0-9]{1,9}")
CHECK_CODES = {
    licensing.LicenseState.ACTIVE: VALID,
    licensing.LicenseState.TRIAL: VALID_TRIAL,
    licensing.LicenseState.TRIAL_ENDED: TRIAL_EXPIRED,
    licensing.LicenseState.ENDED: NO_LICENSE,
    licensing.LicenseState.SUSPENDED: NO_LICENSE,
}


@v1_endpoint
def register_server(request: HttpRequest) -> Answer:
    """AK-1: a server id of 16 characters and code 0, or an empty one and why not."""
    arguments = lenient_arguments(request)
    if "key" not in arguments:
        return Answer(None, success=False, message="Key is required", type="bad_argument")
    try:
        with counting_tries(request):
            done = licensing.register_server(
                key_text=arguments["key"],
                address=caller_address(request, arguments),
                hints=licensing.Hints(
                    hostname=arguments.get("hostname", ""), secret=arguments.get("server_id", "")
                ),
                product=PRODUCT,
                now=clock.now(),
            )
    except TOO_OFTEN:
        raise
    except Refusal as refusal:
        return Answer(
            {"server_id": "", "code": kcare_number(refusal.code)},
            message=f"{refusal.message} {refusal.fix}".strip(),
            type=refusal.code,
        )
    return Answer({"server_id": done.secret, "code": REGISTERED})


@v1_endpoint
def unregister_server(request: HttpRequest) -> Answer:
    """AK-3: whether the server was removed; false where it does not exist."""
    arguments = lenient_arguments(request)
    if "server_id" not in arguments:
        return Answer(None, success=False, message="Server id is required", type="bad_argument")
    count_server(arguments["server_id"])
    try:
        licensing.unregister(secret=arguments["server_id"], now=clock.now())
    except Refusal:
        if "token" in arguments:
            # A program of the account's names a server as its lists do (ADR 0048).
            return kcare_keys.unregister(request)
        return Answer(data=False)
    return Answer(data=True)


@v1_reading
def check(request: HttpRequest) -> Answer:
    """AK-4: is there a license? By server id, which is a check-in, or by the caller's address."""
    arguments = lenient_arguments(request)
    if "token" in arguments and "ip" in arguments:
        # A slip of the Python client, which means `ipl/check.json` (facts §7.12).
        return types_at(request)
    try:
        address = canonical_address(caller_address(request, arguments))
    except BadAddress as refusal:
        return Answer(None, success=False, message=refusal.message, type=refusal.code)
    if "server_id" in arguments:
        code, expires = _license_of(arguments["server_id"], address, licensing.Report())
    else:
        held = questions.is_patched(address)
        code, expires = (VALID if held else NO_LICENSE), ""
    return Answer({"code": code, "ip": address, "expire_date": expires})


@v1_endpoint
def checkin(request: HttpRequest) -> Answer:
    """AK-15: a check-in that tells kernel, patch level and hostname; answered like `check`."""
    arguments = lenient_arguments(request)
    secret, kernel = arguments.get("server_id", ""), arguments.get("kernel_id", "").strip()
    level = arguments.get("patch_level", "")
    if level and (_LEVEL.fullmatch(level) is None or not kernel):
        text = "“patch_level” is a number, and goes with “kernel_id”."
        return Answer(None, success=False, message=text, type="bad_argument")
    try:
        address = canonical_address(caller_address(request, arguments))
    except BadAddress as refusal:
        return Answer(None, success=False, message=refusal.message, type=refusal.code)
    report = licensing.Report(hostname=arguments.get("hostname", ""), kernel=kernel)
    code, expires = _license_of(secret, address, report)
    with suppress(Refusal):  # the code has said already that nobody knows it
        if level:
            note_patch_level(secret=secret, kernel_id=kernel, level=int(level), now=clock.now())
    return Answer({"code": code, "ip": address, "expire_date": expires})


@v1_reading
def sticky_patch(request: HttpRequest) -> Answer:
    """AK-5: code 0 and the day before which patches are wanted, 1 unknown server, 2 none is set."""
    arguments = lenient_arguments(request)
    count_server(arguments.get("server_id", ""))
    try:
        day = sticky_of(secret=arguments.get("server_id", ""), now=clock.now())
    except Refusal:
        return Answer({"code": STICKY_UNKNOWN})
    if day is None:
        return Answer({"code": STICKY_NOT_SET})
    return Answer({"code": STICKY_SET, "prefix": f"{day:%d%m%Y}"})


@v1_endpoint
def tag_server(request: HttpRequest) -> Answer:
    """AK-6: code 0 where the server is tagged so, or not any more; 1 unknown server."""
    arguments = lenient_arguments(request)
    if "tag" not in arguments:
        return Answer(None, success=False, message="Tag is required", type="bad_argument")
    secret = arguments.get("server_id", "")
    count_server(secret)
    try:
        tag_server_so(secret=secret, text=arguments["tag"], now=clock.now())
    except Refusal:
        return Answer({"code": TAG_UNKNOWN})
    return Answer({"code": TAGGED})


@v1_reading
def trial(request: HttpRequest) -> Answer:
    """AK-8: how the caller's address stands with trials, in the codes of `check`; starts none.

    A trial is an account's, and whoever calls has not said which; the sentence says where it is.
    """
    arguments, now = lenient_arguments(request), clock.now()
    try:
        address = canonical_address(caller_address(request, arguments))
    except BadAddress as refusal:
        return Answer(None, success=False, message=refusal.message, type=refusal.code)
    if questions.is_patched(address):
        return Answer({"code": VALID, "ip": address, "expire_date": ""})
    run = trial_at(product=PRODUCT, address=address, now=now)
    if run is None:
        data = {"code": NO_LICENSE, "ip": address, "expire_date": ""}
        return Answer(data, message=START_A_TRIAL)
    code = VALID_TRIAL if run[0] else TRIAL_EXPIRED
    return Answer({"code": code, "ip": address, "expire_date": str(run[1] or "")})


def _license_of(server_id: str, address: str, report: licensing.Report) -> tuple[int, str]:
    """The check code and the day the license ends, empty without an end."""
    count_server(server_id)
    try:
        found = check_ins.check_in(secret=server_id, address=address, report=report)
    except Refusal as refusal:
        trial_ended = refusal.facts.get("state") is licensing.LicenseState.TRIAL_ENDED
        return (TRIAL_EXPIRED if trial_ended else NO_LICENSE), ""
    return CHECK_CODES[found.state], str(found.valid_until or "")
