"""Points at which a test kills this very process, to prove that nothing is lost or taken twice.

In production mode nothing is looked up; in sandbox mode CLN_FAULT_POINT names the point.
"""

import os
import signal

from django.conf import settings

POINTS = (
    "before_gateway",  # the attempt is committed, the gateway does not know of it
    "after_announce",  # the gateway knows of the charge, we have not written its id down
    "before_charge",  # the id is committed, no money has moved
    "after_gateway",  # the money moved, we have not written it down
    "before_commit",  # written, not committed
    "after_commit",  # committed, nobody was told
    "before_mail",  # the mail is claimed, the mail server does not know of it
    "after_mail",  # the mail server took it, we have not written it down
)


def reach(point: str) -> None:
    """Die here, as by `kill -9`, if a test asked for it."""
    assert point in POINTS, f"unknown fault point {point}"
    if settings.CLN_MODE == "sandbox" and os.environ.get("CLN_FAULT_POINT") == point:
        os.kill(os.getpid(), signal.SIGKILL)
