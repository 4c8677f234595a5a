"""The partners' XML-RPC API at `/clweb/xmlrpc`: IP licenses by signed token (facts §9).

Methods answer 0 or −1, a number or a list; four fault codes say what is wrong with a call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from cln import clock
from cln.accounts.audit import opened_by
from cln.api.auth import AuthFailed, Caller, check_token
from cln.api.limits import check, count_stranger
from cln.api.refusals import Partner, partner_fault
from cln.api.rhn.call import RhnCall
from cln.api.rhn.registration import register_ip
from cln.api.xmlrpc.codec import Call, Value
from cln.api.xmlrpc.door import Fault, Trouble, xml_rpc_door
from cln.catalog.queries import license_type_of_ip_type
from cln.domain.errors import Refusal
from cln.flows import ip_licenses as flows
from cln.licensing import addresses
from cln.licensing.registration import plain_text

log = logging.getLogger(__name__)

BODY_MAX = 65_536
DONE, NOT_DONE = 0, -1
IP_TYPE_MAX = 99_999
CLOUDLINUX_TYPES = (1, 2)
"""What `is_licensed` knows of without `checkAll`: the types of its day (X-6)."""
TEXTS: Mapping[Partner, str] = {
    Partner.INTERNAL_ERROR: "Internal (unknown) Error",
    Partner.NOT_AUTHORIZED: "Not authorized",
    Partner.BAD_ARGUMENTS: "Invalid call arguments",
    Partner.BAD_ADDRESS: "Invalid IP format",
}
_FLAGS: Mapping[str | int, bool] = {
    1: True,
    "1": True,
    "true": True,
    0: False,
    "0": False,
    "false": False,
}


def fault(code: Partner) -> Fault:
    """One of the four faults of this API (X-2)."""
    return Fault(code, TEXTS[code])


def said_no(refusal: Refusal) -> Value:
    """The answer −1, or the fault of a call that cannot be right."""
    code = partner_fault(refusal.code)
    if code is not None:
        raise fault(code) from refusal
    return NOT_DONE


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A call whose token was good: who calls, when, and the arguments after the token."""

    caller: Caller
    arguments: tuple[Value, ...]
    now: datetime

    def address(self) -> str:
        """The second argument of every method but `reconcile`."""
        value = self.arguments[0]
        if not isinstance(value, str):
            raise fault(Partner.BAD_ADDRESS)
        return value.strip()


def license_address(call: SignedCall) -> Value:
    """`license(token, ip, type)`: hold a license at an address; held already is done (X-3)."""
    flows.add_ip_license(
        account_id=call.caller.account_id,
        license_type=license_type_of_ip_type(_ip_type(call.arguments[1])).code,
        address=call.address(),
        actor=call.caller.login,
        now=call.now,
    )
    return DONE


def remove_license(call: SignedCall) -> Value:
    """`remove_license(token, ip[, type])`: give back one license or all; −1 without any.

    Type 0 means all of them: a public client sends it. A type that is neither held nor sold to
    the account faults 30 (X-12).
    """
    account_id = call.caller.account_id
    wanted = _ip_type(call.arguments[1]) if len(call.arguments) > 1 else 0
    code = license_type_of_ip_type(wanted).code if wanted else None
    held = addresses.codes_held_at(account_id=account_id, address=call.address())
    meant = [one for one in held if code in (None, one)]
    if code and not meant and not _is_sold(account_id, code, call.now):
        raise fault(Partner.BAD_ARGUMENTS)
    for one in meant:
        flows.remove_ip_license(
            account_id=account_id,
            license_type=one,
            address=call.address(),
            actor=call.caller.login,
            now=call.now,
        )
    return DONE if meant else NOT_DONE


def is_licensed(call: SignedCall) -> Value:
    """`is_licensed(token, ip)`: a type or 0; `(token, ip, checkAll)`: a list of types (X-6, X-7).

    Whoever holds them, as REST's `ipl/check` answers.
    """
    held = addresses.types_held_at(call.address())
    of_old = [ip_type for ip_type in held if ip_type in CLOUDLINUX_TYPES]
    if len(call.arguments) == 1:
        return of_old[0] if of_old else 0
    return list(held) if _flag(call.arguments[1]) else of_old


def reconcile(call: SignedCall) -> Value:
    """`reconcile(token)`: every license of the account (X-8)."""
    return [
        {"IP": row.address, "TYPE": row.ip_type, "REGISTERED": row.registered}
        for row in addresses.licenses_at(account_id=call.caller.account_id)
    ]


# How many arguments after the token each takes; the number chooses the meaning.
METHODS: Mapping[str, tuple[Callable[[SignedCall], Value], tuple[int, ...]]] = {
    "registration.license": (license_address, (2,)),
    "registration.remove_license": (remove_license, (1, 2)),
    "registration.is_licensed": (is_licensed, (1, 2)),
    "registration.reconcile": (reconcile, (0,)),
}

IP_REGISTRATION = "registration.register_ip"
"""`clnreg_ks` is configured with the address of this door; answers and faults are RHN's (AR-31)."""


@xml_rpc_door(
    trouble=Trouble(
        malformed=fault(Partner.BAD_ARGUMENTS),
        broken=fault(Partner.INTERNAL_ERROR),
        busy=fault(Partner.INTERNAL_ERROR),
    ),
    body_max=BODY_MAX,
)
def partner(request: HttpRequest, call: Call) -> Value:
    """Answer one call of a partner; refusals as one of four faults or −1."""
    if call.method == IP_REGISTRATION:
        return register_ip(RhnCall(request, call.arguments, clock.now()))
    if call.method not in METHODS:
        # What else `clnreg_ks` calls is not public (facts X-14): the log shows it when it comes.
        log.warning("unknown XML-RPC method %s", plain_text(call.method, 100))
        raise fault(Partner.BAD_ARGUMENTS)
    method, counts = METHODS[call.method]
    try:
        token = call.arguments[0] if call.arguments else ""
        caller = _caller(request, token if isinstance(token, str) else "")
        arguments = call.arguments[1:]
        if len(arguments) not in counts:
            raise fault(Partner.BAD_ARGUMENTS)
        return method(SignedCall(caller, arguments, clock.now()))
    except Refusal as refusal:
        return said_no(refusal)


def _caller(request: HttpRequest, token: str) -> Caller:
    """Whom a token speaks for. Refuses `auth_failed`, `too_many_requests`."""
    try:
        # Callers sign with the system's time, also where a sandbox's clock was moved.
        caller = check_token(token, now=clock.system_now())
    except AuthFailed:
        check(count_stranger(request))
        raise
    opened_by(caller.shown)
    return caller


def _ip_type(value: Value) -> int:
    """The number of a license type; clients send it as a number or as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 5:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= IP_TYPE_MAX:
        raise fault(Partner.BAD_ARGUMENTS)
    return value


def _is_sold(account_id: int, code: str, now: datetime) -> bool:
    return any(row.code == code for row in addresses.types_for(account_id=account_id, now=now))


def _flag(value: Value) -> bool:
    """A boolean, also as a number or as text. True and 1 are one key of the table."""
    known = value.lower() if isinstance(value, str) else value
    found = _FLAGS.get(known) if isinstance(known, str | int) else None
    if found is None:
        raise fault(Partner.BAD_ARGUMENTS)
    return found
