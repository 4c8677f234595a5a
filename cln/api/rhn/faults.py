"""How RHN says no: the reference layout, its codes, and which code each of our refusals has.

The client picks the stream and the words around the text by the code, so the code is part of the
text (rhn.md §5). Codes are negative; +61 would not be recognised.
"""

from __future__ import annotations

from collections.abc import Mapping

from cln.api.refusals import Rhn, rhn_fault
from cln.api.xmlrpc.door import Fault, Trouble
from cln.domain.errors import Refusal

EXPLANATION = (
    "\n     An error has occurred while processing your request. If this problem\n"
    "     persists please enter a bug report at helpdesk.cloudlinux.com.\n"
    "     If you choose to submit the bug report, please be sure to include\n"
    "     details of what you were trying to do when this error occurred and\n"
    "     details on how to reproduce this problem.\n"
)

INFO: Mapping[Rhn, str] = {
    Rhn.UNKNOWN_METHOD: "The server does not know this method",
    Rhn.BAD_LOGIN: "Invalid username and password combination.",
    Rhn.INVALID_SYSTEM: "Invalid System Credentials.",
    Rhn.BAD_ARGUMENTS: "Invalid arguments.",
    Rhn.NOT_LICENSED: "The account has no valid license for this system.",
    Rhn.ABUSE: "Too many tries.",
    Rhn.UNKNOWN_TOKEN: (
        "The activation token specified could not be found on the server. "
        "Please retry with a valid key."
    ),
    Rhn.USAGE_LIMIT: "Too many systems registered using this registration token",
    Rhn.REGISTRATION_REFUSED: "This system cannot be registered.",
    Rhn.ACCOUNT_BLOCKED: "The account is blocked.",
}


def fault(code: Rhn, text: str) -> Fault:
    """A fault of our (positive) `code` in the reference layout."""
    message = f"Error Message:\n    {text}\n" if text else ""
    return Fault(
        -code,
        f"\n{message}Error Class Code: {code}\n"
        f"Error Class Info: {INFO[code]}\nExplanation: {EXPLANATION}",
    )


def fault_of(refusal: Refusal, *, token: str = "") -> Fault:
    """A refusal in RHN's words; `token` is the activation key as it was typed."""
    code = rhn_fault(refusal.code)
    if code == Rhn.UNKNOWN_TOKEN:
        return fault(code, f"Could not find token '{token[:100]}'")
    if code == Rhn.USAGE_LIMIT:
        most = refusal.facts.get("limit", refusal.facts.get("quantity"))
        return fault(code, f"Maximum usage count of {most} reached")
    if code == Rhn.INVALID_SYSTEM:
        return invalid_system()
    return fault(code, f"{refusal.message} {refusal.fix}".strip())


def invalid_system() -> Fault:
    """No such system, a removed one, or a forged document: all the same to whoever asks."""
    return fault(Rhn.INVALID_SYSTEM, "Please run rhn_register as root on this client")


def not_licensed(profile_name: str) -> Fault:
    """The system is known, its license is suspended or has ended."""
    return fault(Rhn.NOT_LICENSED, f'Service not enabled for system profile: "{profile_name}"')


def bad_arguments(text: str = "Required data missing") -> Fault:
    """What was sent is not what the method needs."""
    return fault(Rhn.BAD_ARGUMENTS, text)


# 99 asks for patience: the client says "Delay error from server" and our words.
TROUBLE = Trouble(
    malformed=bad_arguments("The request is not a plain XML-RPC call"),
    broken=Fault(99, "Something broke on our side; it was written to the log."),
    busy=Fault(99, "The service is busy. Try again in a few minutes."),
)
