"""Whether an account may still buy, try and register (P7)."""

from cln.accounts.models import Account
from cln.domain.dunning import DunningState
from cln.domain.licensing import AccountBlocked

BLOCKED = frozenset({DunningState.BLOCKED, DunningState.SUSPENDED, DunningState.ENDED})


def is_blocked(account: Account) -> bool:
    """Whether debts have blocked the account."""
    return DunningState(account.dunning_state) in BLOCKED


def refuse_if_blocked(account: Account) -> None:
    """Refusals: `account_blocked`."""
    if is_blocked(account):
        raise AccountBlocked.because_of_debt()
