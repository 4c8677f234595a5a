"""The verbs of licensing in one place, for flows and interfaces."""

from cln.licensing.access import KeyNotFound
from cln.licensing.address_servers import register_at_address
from cln.licensing.clones import accept_clone, clone_cases_of, keep_one
from cln.licensing.door import Hints
from cln.licensing.entitlements import (
    end_entitlement,
    grant,
    restore,
    seats_in_use,
    set_quantity,
    suspend,
)
from cln.licensing.keys import create_key, make_default, remove_key, reveal, update_key
from cln.licensing.registration import Registration, register_server
from cln.licensing.removal import remove_server
from cln.licensing.servers import (
    CheckIn,
    LicenseState,
    Report,
    check_in,
    find_server,
    undo_reinstall,
    unregister,
)
from cln.licensing.trial_addresses import clear_trial_address, record_trial_address

__all__ = [
    "CheckIn",
    "Hints",
    "KeyNotFound",
    "LicenseState",
    "Registration",
    "Report",
    "accept_clone",
    "check_in",
    "clear_trial_address",
    "clone_cases_of",
    "create_key",
    "end_entitlement",
    "find_server",
    "grant",
    "keep_one",
    "make_default",
    "record_trial_address",
    "register_at_address",
    "register_server",
    "remove_key",
    "remove_server",
    "restore",
    "reveal",
    "seats_in_use",
    "set_quantity",
    "suspend",
    "undo_reinstall",
    "unregister",
    "update_key",
]
