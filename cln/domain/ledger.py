"""The books: every movement of value is a transfer from a credit to a debit account (P12).

A transfer balances by itself, so the sum over all accounts is always zero. `balance` is what the
customer has with us: a customer's account credit and a reseller's deposit are the same thing. It
is a liability of ours, credited when money comes in; a reseller's may go negative (R3).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class LedgerAccount(StrEnum):
    """The places where an account's value can be."""

    RECEIVABLE = "receivable"
    BALANCE = "balance"
    REVENUE = "revenue"
    TAX = "tax"
    CASH = "cash"
    BAD_DEBT = "bad_debt"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of cents, always positive, from `credit` to `debit`."""

    debit: LedgerAccount
    credit: LedgerAccount
    cents: int

    def __post_init__(self) -> None:
        assert type(self.cents) is int, "money is whole cents"
        assert self.cents > 0, "a transfer moves a positive amount"
        assert self.debit is not self.credit, "a transfer moves value somewhere else"

    def reversed(self) -> "Transfer":
        """The transfer that undoes this one."""
        return Transfer(self.credit, self.debit, self.cents)


Postings = tuple[Transfer, ...]


def invoice_issued(*, net_cents: int, tax_cents: int) -> Postings:
    """The customer owes the total."""
    owed = LedgerAccount.RECEIVABLE
    return _post((owed, LedgerAccount.REVENUE, net_cents), (owed, LedgerAccount.TAX, tax_cents))


def invoice_voided(*, net_cents: int, tax_cents: int) -> Postings:
    """The invoice is not owed any more; what was allocated to it is taken back before."""
    return tuple(
        transfer.reversed() for transfer in invoice_issued(net_cents=net_cents, tax_cents=tax_cents)
    )


def payment_received(*, cents: int) -> Postings:
    """Settled money becomes the customer's balance, until it is allocated."""
    return _post((LedgerAccount.CASH, LedgerAccount.BALANCE, cents))


def top_up(*, cents: int) -> Postings:
    """A reseller's deposit grows by settled money (R5)."""
    return payment_received(cents=cents)


def allocated(*, cents: int) -> Postings:
    """Balance pays an invoice, in whole or in part (P9, R3)."""
    return _post((LedgerAccount.BALANCE, LedgerAccount.RECEIVABLE, cents))


def deallocated(*, cents: int) -> Postings:
    """What had paid an invoice becomes balance again, before it is voided."""
    return _post((LedgerAccount.RECEIVABLE, LedgerAccount.BALANCE, cents))


def credit_granted(*, cents: int) -> Postings:
    """Account credit given without money, as for a freed unit (Q14)."""
    return _post((LedgerAccount.REVENUE, LedgerAccount.BALANCE, cents))


def credit_note_issued(*, net_cents: int, tax_cents: int) -> Postings:
    """A credit note takes revenue and tax back into the customer's balance (P10)."""
    return _post(
        (LedgerAccount.REVENUE, LedgerAccount.BALANCE, net_cents),
        (LedgerAccount.TAX, LedgerAccount.BALANCE, tax_cents),
    )


def refunded(*, cents: int) -> Postings:
    """Balance goes back to the original payment method (P10)."""
    return _post((LedgerAccount.BALANCE, LedgerAccount.CASH, cents))


def refund_failed(*, cents: int) -> Postings:
    """The gateway did not give it back after all: it is balance again."""
    return tuple(transfer.reversed() for transfer in refunded(cents=cents))


def written_off(*, cents: int) -> Postings:
    """An open amount is given up as uncollectible."""
    return _post((LedgerAccount.BAD_DEBT, LedgerAccount.RECEIVABLE, cents))


def net_debits(transfers: Iterable[Transfer]) -> dict[LedgerAccount, int]:
    """Debits minus credits of every account, in cents; the values sum to zero."""
    sums = Counter(dict.fromkeys(LedgerAccount, 0))
    for transfer in transfers:
        sums[transfer.debit] += transfer.cents
        sums[transfer.credit] -= transfer.cents
    return dict(sums)


def balance_cents(transfers: Iterable[Transfer]) -> int:
    """What the customer has with us: positive is credit or deposit, negative is a debt."""
    return -net_debits(transfers)[LedgerAccount.BALANCE]


@dataclass(frozen=True, slots=True)
class Due:
    """What is still owed on an invoice."""

    invoice_id: int
    cents: int


def allocate_oldest_first(*, available_cents: int, dues: Sequence[Due]) -> tuple[Due, ...]:
    """Spread a balance over invoices given oldest first (P9); the sum never exceeds either side."""
    parts: list[Due] = []
    left = max(0, available_cents)
    for due in dues:
        part = min(left, due.cents)
        if part > 0:
            parts.append(Due(due.invoice_id, part))
            left -= part
    return tuple(parts)


def _post(*legs: tuple[LedgerAccount, LedgerAccount, int]) -> Postings:
    """Transfers of the legs that move something."""
    return tuple(Transfer(debit, credit, cents) for debit, credit, cents in legs if cents)
