"""`python -m tests.one_verb VERB INSTANT [ACCOUNT]`: one verb in a process that a test may lose."""

import sys
from datetime import datetime

import django


def main(verb: str, instant: str, account: str = "0") -> None:
    """Do the verb as of the instant, to the account where it is about one."""
    django.setup()
    from cln.flows import billing_run, collection, timeline
    from cln.notifications.services import send_due
    from tests.customers import buys, pays_now
    from tests.reselling import becomes_reseller, refunds_first, registers

    now, account_id = datetime.fromisoformat(instant), int(account)
    verbs = {
        "bill": lambda: billing_run.run_due(now=now),
        "buy": lambda: buys(account_id, 2, now=now),
        "collect": lambda: collection.collect_due(now=now),
        "convert": lambda: becomes_reseller(account_id, now=now),
        "refund": lambda: refunds_first(account_id, now=now),
        "register": lambda: registers("zenith", now=now),
        "pay": lambda: pays_now(account_id, now=now),
        "run": lambda: timeline.run_due(now=now),
        "send": lambda: send_due(now=now),
    }
    verbs[verb]()


if __name__ == "__main__":
    main(*sys.argv[1:])
