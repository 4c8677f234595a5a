"""`/XMLRPC`, `/XMLRPC/` and `/RPC2`: the table of methods (rhn.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from django.http import HttpRequest

from cln import clock
from cln.api.refusals import Rhn
from cln.api.rhn import downloads, faults, queue, registration
from cln.api.rhn.call import RhnCall
from cln.api.xmlrpc.codec import Call, Value
from cln.api.xmlrpc.door import Answered, xml_rpc_door
from cln.domain.errors import Refusal
from cln.licensing.registration import plain_text

log = logging.getLogger(__name__)

BODY_MAX = 8 * 2**20  # a server with 10,000 packages sends 5 MB
CAPABILITIES = ",".join(
    f"{name}={version}"
    for name, version in {
        "registration.finish_message(1)": 1,
        "registration.update_contact_info(1)": 1,
        "registration.delta_packages(1)": 1,
        "registration.remaining_subscriptions(1)": 1,
        "registration.update_systemid(1)": 1,
        "registration.smbios(1)": 1,
        "xmlrpc.packages.extended_profile(1-2)": 1,
        "xmlrpc.login.extra_data(1)": 1,
        "ipv6(1)": 1,
        "cpu_sockets(1)": 1,
    }.items()
)
METHODS: Mapping[str, Callable[[RhnCall], Value | Answered]] = {
    "registration.welcome_message": registration.welcome_message,
    "registration.new_system": registration.new_system,
    "registration.register_ip": registration.register_ip,
    "registration.new_system_activation_key": registration.new_system_activation_key,
    "registration.new_system_user_pass": registration.new_system_user_pass,
    "registration.upgrade_version": registration.upgrade_version,
    "registration.update_systemid": registration.update_systemid,
    "registration.add_hw_profile": registration.hardware_profile,
    "registration.refresh_hw_profile": registration.hardware_profile,
    "registration.add_packages": registration.packages,
    "registration.update_packages": registration.packages,
    "registration.delta_packages": registration.delta_packages,
    "registration.delete_packages": registration.delete_packages,
    "registration.finish_message": registration.finish_message,
    "registration.remaining_subscriptions": registration.remaining_subscriptions,
    "registration.privacy_statement": registration.privacy_statement,
    "registration.reserve_user": registration.no_new_user,
    "registration.new_user": registration.no_new_user,
    "registration.update_contact_info": registration.nothing_to_do,
    "registration.virt_notify": registration.nothing_to_do,
    "queue.get": queue.get,
    "queue.submit": queue.submit,
    "queue.get_future_actions": queue.get_future_actions,
    "up2date.login": downloads.login,
    "up2date.listChannels": downloads.list_channels,
}


@xml_rpc_door(
    trouble=faults.TROUBLE,
    body_max=BODY_MAX,
    headers={"X-RHN-Server-Capability": CAPABILITIES},
)
def rhn(request: HttpRequest, call: Call) -> Value | Answered:
    """Answer one call of a stock client; refusals as its faults."""
    method = METHODS.get(call.method)
    if method is None:
        # Calls of the vendor's own fork are not public: the log shows which ones are missed.
        log.warning("unknown RHN method %s", plain_text(call.method, 100))
        raise faults.fault(Rhn.UNKNOWN_METHOD, "Unknown method")
    try:
        return method(RhnCall(request, call.arguments, clock.now()))
    except Refusal as refusal:
        raise faults.fault_of(refusal) from refusal
