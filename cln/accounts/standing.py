"""Whether an account may still buy, try and register, and what debts do to it next (P7)."""

from datetime import date

from cln.accounts.models import Account
from cln.domain.dunning import DunningState
from cln.domain.licensing import AccountBlocked

BLOCKED = frozenset({DunningState.BLOCKED, DunningState.SUSPENDED, DunningState.ENDED})


def is_blocked(account: Account) -> bool:
    """Whether debts have blocked the account."""
    return DunningState(account.dunning_state) in BLOCKED


def block_planned_on(account: Account) -> date | None:
    """The day on which debts block the account unless they are paid; None: nothing is planned."""
    return account.dunning_next_on if account.dunning_state == DunningState.PAST_DUE else None


def suspends_on(account: Account) -> date | None:
    """The day on which the servers of a blocked account lose their licenses."""
    return account.dunning_next_on if account.dunning_state == DunningState.BLOCKED else None


def refuse_if_blocked(account: Account) -> None:
    """Refusals: `account_blocked`."""
    if is_blocked(account):
        raise AccountBlocked.because_of_debt()
