"""Transfers balance by construction; what is owed and held is derived from them (P9, P12, R3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.ledger import (
    Due,
    LedgerAccount,
    Postings,
    Transfer,
    allocate_oldest_first,
    allocated,
    balance_cents,
    credit_granted,
    credit_note_issued,
    deallocated,
    invoice_issued,
    invoice_voided,
    net_debits,
    payment_received,
    refund_failed,
    refunded,
    top_up,
    written_off,
)

BALANCE, CASH = LedgerAccount.BALANCE, LedgerAccount.CASH
RECEIVABLE, REVENUE = LedgerAccount.RECEIVABLE, LedgerAccount.REVENUE
TAX, BAD_DEBT = LedgerAccount.TAX, LedgerAccount.BAD_DEBT


@pytest.mark.parametrize(
    ("postings", "moved"),
    [
        (
            invoice_issued(net_cents=1000, tax_cents=200),
            {RECEIVABLE: 1200, REVENUE: -1000, TAX: -200},
        ),
        (invoice_issued(net_cents=1000, tax_cents=0), {RECEIVABLE: 1000, REVENUE: -1000}),
        (
            invoice_voided(net_cents=1000, tax_cents=200),
            {RECEIVABLE: -1200, REVENUE: 1000, TAX: 200},
        ),
        (payment_received(cents=500), {CASH: 500, BALANCE: -500}),
        (top_up(cents=500), {CASH: 500, BALANCE: -500}),
        (allocated(cents=500), {BALANCE: 500, RECEIVABLE: -500}),
        (deallocated(cents=500), {BALANCE: -500, RECEIVABLE: 500}),
        (credit_granted(cents=70), {REVENUE: 70, BALANCE: -70}),
        (
            credit_note_issued(net_cents=100, tax_cents=20),
            {REVENUE: 100, TAX: 20, BALANCE: -120},
        ),
        (refunded(cents=120), {BALANCE: 120, CASH: -120}),
        (refund_failed(cents=300), {CASH: 300, BALANCE: -300}),
        (written_off(cents=90), {BAD_DEBT: 90, RECEIVABLE: -90}),
        (credit_granted(cents=0), {}),
    ],
)
def test_a_posting_moves_exactly_between_its_accounts_p12(
    postings: Postings, moved: dict[LedgerAccount, int]
) -> None:
    """P12."""
    assert net_debits(postings) == dict.fromkeys(LedgerAccount, 0) | moved


def test_a_payment_in_excess_becomes_credit_p9() -> None:
    """P9: 15.00 paid for an invoice of 12.00."""
    books = (
        *invoice_issued(net_cents=1000, tax_cents=200),
        *payment_received(cents=1500),
        *allocated(cents=1200),
    )

    assert net_debits(books)[RECEIVABLE] == 0
    assert balance_cents(books) == 300


def test_a_deposit_may_go_negative_r3() -> None:
    """R3."""
    books = (*top_up(cents=1000), *invoice_issued(net_cents=1300, tax_cents=0))

    assert balance_cents((*books, *allocated(cents=1300))) == -300


@pytest.mark.parametrize("cents", [0, -5, 1.5, True])
def test_a_transfer_of_no_positive_whole_amount_is_a_bug(cents: int) -> None:
    """P12."""
    with pytest.raises(AssertionError):
        Transfer(CASH, BALANCE, cents)


def test_a_transfer_to_its_own_account_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="somewhere else"):
        Transfer(CASH, CASH, 5)


PAIRS = [(debit, credit) for debit in LedgerAccount for credit in LedgerAccount if debit != credit]


@given(
    st.lists(
        st.builds(
            lambda pair, cents: Transfer(debit=pair[0], credit=pair[1], cents=cents),
            st.sampled_from(PAIRS),
            st.integers(1, 10**9),
        ),
        max_size=20,
    )
)
def test_transfers_sum_to_zero_and_reversing_them_undoes_them_p12(
    transfers: list[Transfer],
) -> None:
    """P12."""
    undone = [*transfers, *(transfer.reversed() for transfer in transfers)]

    assert sum(net_debits(transfers).values()) == 0
    assert set(net_debits(undone).values()) == {0}


def test_a_balance_is_allocated_to_the_oldest_invoices_first_p9() -> None:
    """P9."""
    dues = (Due(7, 500), Due(8, 0), Due(9, 500), Due(10, 500))

    assert allocate_oldest_first(available_cents=800, dues=dues) == (Due(7, 500), Due(9, 300))


@pytest.mark.parametrize("available", [0, -100])
def test_without_a_balance_nothing_is_allocated_p9(available: int) -> None:
    """P9."""
    assert allocate_oldest_first(available_cents=available, dues=(Due(7, 500),)) == ()


@given(available=st.integers(-1000, 10_000), cents=st.lists(st.integers(0, 3000), max_size=6))
def test_allocations_never_exceed_the_balance_nor_an_invoice_p9(
    available: int, cents: list[int]
) -> None:
    """P9."""
    dues = [Due(number, amount) for number, amount in enumerate(cents)]

    parts = allocate_oldest_first(available_cents=available, dues=dues)

    assert sum(part.cents for part in parts) == min(max(0, available), sum(cents))
    assert all(0 < part.cents <= cents[part.invoice_id] for part in parts)
