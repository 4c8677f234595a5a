from enum import StrEnum


class LedgerAccount(StrEnum):
    RECEIVABLE = "receivable"
    BALANCE = "balance"
    REVENUE = "revenue"
    TAX = "tax"
    CASH = "cash"
    BAD_DEBT = "bad_debt"
