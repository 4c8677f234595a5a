"""`registration.*`: new systems, and what they tell of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from allauth.account.adapter import get_adapter
from allauth.account.utils import has_verified_email
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from cln.accounts.access import Permission, may
from cln.accounts.models import Login
from cln.api.limits import counting_tries
from cln.api.refusals import Rhn
from cln.api.rhn import faults
from cln.api.rhn.call import RhnCall, as_items, as_struct
from cln.api.rhn.systemid import document_of
from cln.api.xmlrpc.codec import Value
from cln.domain.errors import Refusal
from cln.licensing import systems
from cln.licensing.models import System
from cln.licensing.registration import plain_text

WELCOME = "Welcome to CLN"
PACKAGE_FIELDS = ("name", "version", "release", "epoch", "arch")
BY_ADDRESS = "IPL"
"""What a client may send in place of a key to register by its address (AR-31)."""
TOKEN_LENGTH_MAX = 1_000
FIELD_LENGTH_MAX = 200


def new_system(call: RhnCall) -> Value:
    """Register a machine by activation key, or by login and password; its systemid."""
    return document_of(_registered(call, call.struct(0)))


def register_ip(call: RhnCall) -> Value:
    """Register a machine by the IP license of the address it calls from; its systemid (AR-31)."""
    return document_of(_registered_by_address(call, _machine(call.struct(0)), BY_ADDRESS))


def new_system_activation_key(call: RhnCall) -> Value:
    """The same with positional arguments: profile, release name, version, arch, key, other."""
    told = {**_positional(call), "token": call.text(4), **_other(call, 5)}
    return _newer_answer(_registered(call, told))


def new_system_user_pass(call: RhnCall) -> Value:
    """The same with positional arguments: …, arch, login, password, other."""
    told = {
        **_positional(call),
        "username": call.text(4),
        "password": call.text(5),
        **_other(call, 6),
    }
    return _newer_answer(_registered(call, told))


def upgrade_version(call: RhnCall) -> Value:
    """Another version of the system runs there now: a new systemid."""
    release = plain_text(call.text(1), TOKEN_LENGTH_MAX)
    if not release:
        raise faults.bad_arguments()
    return document_of(systems.upgrade_system(system=call.system, os_release=release))


def update_systemid(call: RhnCall) -> Value:
    """The systemid as it is today."""
    return document_of(call.system)


def hardware_profile(call: RhnCall) -> Value:
    """`add_hw_profile`, `refresh_hw_profile`: what is built into the machine."""
    devices = [as_struct(device) for device in call.items(1)]
    systems.store_hardware(system=call.system, devices=devices, now=call.now)
    return 0


def packages(call: RhnCall) -> Value:
    """`add_packages`, `update_packages`: everything that is installed."""
    found = _packages(call.items(1))
    systems.store_packages(system=call.system, packages=found, now=call.now)
    return 0


def delta_packages(call: RhnCall) -> Value:
    """What was installed and removed since."""
    changes = call.struct(1)
    systems.change_packages(
        system=call.system,
        added=_packages(as_items(changes.get("added", []))),
        deleted=_packages(as_items(changes.get("deleted", []))),
        now=call.now,
    )
    return 0


def delete_packages(call: RhnCall) -> Value:
    """What was removed since."""
    systems.change_packages(
        system=call.system, added=[], deleted=_packages(call.items(1)), now=call.now
    )
    return 0


def welcome_message(_call: RhnCall) -> Value:
    """Asked for the headers that come with it: what this server can do."""
    return WELCOME


def nothing_to_do(call: RhnCall) -> Value:
    """Accepted from a registered system and of no use here."""
    _ = call.system
    return 0


def finish_message(call: RhnCall) -> Value:
    """A code, a title and a text to show after a registration: nothing to add."""
    _ = call.system
    return [0, "", ""]


def remaining_subscriptions(_call: RhnCall) -> Value:
    """Older clients ask before they register; the answer is given when they do."""
    return 1


def no_new_user(_call: RhnCall) -> Value:
    """Older tools make a login while they register; here they are made on the pages alone."""
    return 0


def privacy_statement(_call: RhnCall) -> Value:
    """There is none to show on a terminal."""
    return ""


def _registered(call: RhnCall, told: Mapping[str, Value]) -> System:
    machine = _machine(told)
    token = _text(told, "token")
    if token in ("", BY_ADDRESS) and not _text(told, "username"):
        return _registered_by_address(call, machine, token)
    if not token:
        token = _key_of_login(call.request, _text(told, "username"), _text(told, "password"))
    try:
        with counting_tries(call.request):
            return systems.register_system(
                # Several keys may come in one token; the first one is the license.
                key_text=token.partition(",")[0],
                address=call.address,
                machine=machine,
                client=call.client,
                now=call.now,
            )
    except Refusal as refusal:
        raise faults.fault_of(refusal, token=_text(told, "token")) from refusal


def _registered_by_address(call: RhnCall, machine: systems.Machine, token: str) -> System:
    """`clnreg_ks`: no key, the address of the caller holds the license (AR-30)."""
    try:
        with counting_tries(call.request):
            return systems.register_system_at_address(
                address=call.address, machine=machine, client=call.client, now=call.now
            )
    except Refusal as refusal:
        if not token and refusal.code == "unknown_ip_license":
            # Who sent nothing at all may have meant a key: say both.
            says = f"Required members missing. {refusal.message} {refusal.fix}"
            raise faults.bad_arguments(says) from refusal
        raise faults.fault_of(refusal) from refusal


def _machine(told: Mapping[str, Value]) -> systems.Machine:
    names = ("profile_name", "os_release", "architecture")
    required = [plain_text(_text(told, name), TOKEN_LENGTH_MAX) for name in names]
    if not all(required):
        raise faults.bad_arguments()
    profile_name, os_release, architecture = required
    smbios = told.get("smbios") or {}
    return systems.Machine(
        profile_name=profile_name,
        os_release=os_release,
        architecture=architecture,
        release_name=_text(told, "release_name"),
        smbios={
            name: value
            for name, value in as_struct(smbios).items()
            if isinstance(value, str) and name.startswith("smbios.")
        },
    )


def _key_of_login(request: HttpRequest, username: str, password: str) -> str:
    """The default key of the account that a login speaks for; tries are counted as on the page."""
    if not username or not password:
        raise faults.bad_arguments("Required members missing")
    try:
        login = get_adapter().authenticate(request, username=username, password=password)
    except ValidationError:
        raise faults.fault(Rhn.ABUSE, "Wait a few minutes and try again.") from None
    if not isinstance(login, Login) or login.account_id is None or not has_verified_email(login):
        raise faults.fault(Rhn.BAD_LOGIN, "Invalid username and password combination")
    if not may(login.role, Permission.EDIT_SERVERS):
        raise faults.fault(Rhn.BAD_LOGIN, "This login may not register servers")
    key = systems.default_key_text(login.account_id)
    if key is None:
        raise faults.fault(
            Rhn.REGISTRATION_REFUSED, "The account has no default key of CloudLinux OS."
        )
    return key


def _positional(call: RhnCall) -> dict[str, Value]:
    names = ("profile_name", "release_name", "os_release", "architecture")
    return {name: call.text(position) for position, name in enumerate(names)}


def _other(call: RhnCall, position: int) -> dict[str, Value]:
    other = call.struct(position) if len(call.arguments) > position else {}
    return {"smbios": other.get("smbios") or {}}


def _newer_answer(system: System) -> Value:
    return {
        "system_id": document_of(system),
        "channels": [],
        "failed_channels": [],
        "failed_options": [],
        "system_slots": [],
        "failed_system_slots": [],
        "universal_activation_key": [],
    }


def _text(told: Mapping[str, Value], name: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str) or len(value) > TOKEN_LENGTH_MAX:
        raise faults.bad_arguments()
    return value.strip()


def _packages(items: Sequence[Value]) -> list[dict[str, str]]:
    """Packages come as structs, or as lists in the order of PACKAGE_FIELDS."""
    return [_package(item) for item in items]


def _package(item: Value) -> dict[str, str]:
    if isinstance(item, list):
        item = dict(zip(PACKAGE_FIELDS, item, strict=False))
    told = as_struct(item)
    package = {name: str(told.get(name) or "")[:FIELD_LENGTH_MAX] for name in PACKAGE_FIELDS}
    if not package["name"]:
        raise faults.bad_arguments()
    return package
