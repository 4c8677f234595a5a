"""What an account owes, has and is asked for (P2, P5–P9); a reseller's deposit (R3, R4, R7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from tests.naive.paper import Invoice, Line, Shop, taxed

WAITS = (1, 6, 24)


@dataclass
class Autopay:
    """How a reseller's deposit is topped up, and how far the tries have come (R4)."""

    mode: str = "repay"
    target: int = 0
    declines: int = 0
    next_try: datetime | None = None

    @property
    def is_stopped(self) -> bool:
        return self.declines > len(WAITS)

    def wants(self, balance: int) -> int:
        if self.mode == "add_funds" and balance < 100_00:
            return self.target - balance
        if self.mode == "repay" and balance < 0:
            return max(20_00, -balance)
        return 0

    def begin_anew(self) -> None:
        self.declines, self.next_try = 0, None

    def declined(self, now: datetime, *, hard: bool) -> None:
        self.declines = len(WAITS) + 1 if hard else self.declines + 1
        if not self.is_stopped:
            self.next_try = now + timedelta(hours=WAITS[self.declines - 1])


@dataclass
class Purse:
    """The money of an account, day by day."""

    shop: Shop
    today: date
    tax: int = 0
    is_reseller: bool = False
    balance: int = 0
    invoices: list[Invoice] = field(default_factory=list)
    bank: str = "ok"
    state: str = "current"
    blocked_on: date | None = None
    negative_since: date | None = None
    autopay: Autopay = field(default_factory=Autopay)

    # What others want to know.

    @property
    def owed(self) -> int:
        """The amount due: open invoices, or what a deposit lies below zero (R3)."""
        return sum(one.owed for one in self.invoices) + (
            max(0, -self.balance) if self.is_reseller else 0
        )

    @property
    def open(self) -> list[Invoice]:
        """Oldest first."""
        return sorted((one for one in self.invoices if one.owed), key=lambda one: one.issued)

    @property
    def is_blocked(self) -> bool:
        return self.state in ("blocked", "suspended", "ended")

    # Invoices.

    def issue(self, license_type: str, purpose: str, lines: list[Line]) -> Invoice:
        """Credit pays first (P9); a reseller's deposit pays all of it, also below zero (R3)."""
        lines = taxed(lines, self.tax, self.today)
        total = sum(line.cents for line in lines)
        invoice = Invoice(license_type, purpose, self.today, lines, total)
        self.invoices.append(invoice)
        if self.is_reseller:
            invoice.by_credit, invoice.status = total, "paid"
            self.change_balance(-total)
        self.settle()
        return invoice

    def settle(self) -> None:
        """The balance pays open invoices, the oldest first (P9)."""
        for invoice in self.open:
            part = min(invoice.owed, max(0, self.balance))
            invoice.by_credit += part
            self.balance -= part
        self.close_paid()

    def close_paid(self) -> None:
        for invoice in self.invoices:
            if invoice.status == "open" and invoice.owed <= 0:
                invoice.status = "paid"
                self.paid(invoice)
        if not self.overdue():
            self.state, self.blocked_on = "current", None

    def paid(self, invoice: Invoice) -> None:
        """What a payment grants; the life that has the purse knows."""

    def change_balance(self, cents: int) -> None:
        self.balance += cents
        if self.is_reseller:
            if self.balance >= 0:
                self.negative_since = None
            elif self.negative_since is None:
                self.negative_since = self.today
        self.settle()

    def take_back(self, invoice: Invoice, status: str) -> None:
        """Void: what credit and cards had paid of it is balance again."""
        back = sum(invoice.by_card) + invoice.by_credit if status == "void" else 0
        invoice.status = status
        self.change_balance(back)

    # Taking money.

    def attempt(self, invoice: Invoice) -> bool:
        """One try to take the whole rest; a hard decline stops the automatic ones of it, until
        there is another method (P2).
        """
        invoice.tried = self.today
        if self.bank == "ok":
            invoice.by_card.append(invoice.owed)
            self.close_paid()
            return True
        invoice.is_stopped |= self.bank == "hard"
        return False

    def pay_now(self) -> None:
        """One attempt per open invoice, oldest first (P5); a reseller brings the deposit to 0."""
        for invoice in self.open:
            self.attempt(invoice)
        if self.is_reseller and self.balance < 0:
            self.top_up(-self.balance)

    def pay_part(self, cents: int) -> None:
        """Any amount, at the gateway's page of the oldest; what is over is credit (P9)."""
        oldest = self.open[0]
        part = min(cents, oldest.owed)
        oldest.by_card.append(part)
        self.close_paid()
        self.change_balance(cents - part)

    def replace_method(self) -> None:
        """What is due is tried at once (P1)."""
        for invoice in self.open:
            invoice.is_stopped = False
            self.attempt(invoice)
        self.autopay.begin_anew()

    def top_up(self, cents: int) -> bool:
        if self.bank == "ok":
            self.autopay.begin_anew()
            self.change_balance(cents)
            return True
        return False

    def collect(self) -> None:
        for invoice in self.open:
            if not invoice.is_stopped and invoice.is_planned(self.today):
                self.attempt(invoice)

    def auto_top_up(self, until: datetime) -> None:
        """All tries whose hour comes before `until`."""
        while self.is_reseller and not self.autopay.is_stopped:
            midnight = datetime.combine(self.today, time())
            now = max(midnight, self.autopay.next_try or midnight)
            cents = self.autopay.wants(self.balance)
            if not cents or now >= until:
                return
            if not self.top_up(cents):
                self.autopay.declined(now, hard=self.bank == "hard")

    # Asking for it.

    def overdue(self) -> list[date]:
        """The due dates that are over; an unpaid order is no debt (P6, P7). A deposit is due on the
        day it falls below zero, and overdue from the next (R7).
        """
        if self.is_reseller:
            since = self.negative_since
            return [since] if since and since < self.today else []
        return [
            one.issued for one in self.open if one.purpose != "order" and one.issued < self.today
        ]

    def ask(self) -> bool:
        """Whether the account has come to the end of asking just now (P7)."""
        days = self.overdue()
        if not days:
            return False
        oldest = min(days)
        if self.state == "current":
            self.state = "past_due"
        if self.state == "past_due" and self.today >= oldest + timedelta(days=30):
            self.state, self.blocked_on = "blocked", self.today
        warned = self.blocked_on and self.today >= self.blocked_on + timedelta(days=7)
        if self.state == "blocked" and warned:
            self.state = "suspended"
        if self.is_blocked and self.state != "ended" and self.today >= oldest + timedelta(days=90):
            self.state = "ended"
            return True
        return False
