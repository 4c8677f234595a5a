"""Points at which a test kills this very process, to prove that nothing is lost or taken twice.

In production mode nothing is looked up; in sandbox mode CLN_FAULT_POINT names the point.
"""

import os
import signal

from django.conf import settings

POINTS = ("before_gateway", "after_gateway", "before_commit", "after_commit", "before_mail")


def reach(point: str) -> None:
    """Die here, as by `kill -9`, if a test asked for it."""
    assert point in POINTS, f"unknown fault point {point}"
    if settings.CLN_MODE == "sandbox" and os.environ.get("CLN_FAULT_POINT") == point:
        os.kill(os.getpid(), signal.SIGKILL)
