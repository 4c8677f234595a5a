"""Many IP licenses in one go: each by itself, so that one refusal keeps nobody else's out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cln.domain.errors import Refusal
from cln.flows.ip_licenses import add_ip_license, remove_ip_license
from cln.licensing.address_lists import AddressRow, Line, Verdict, read_list


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of one address; `why` is empty where it was done."""

    address: str
    why: str = ""


def add_listed(
    *, account_id: int, license_type: str, text: str, actor: str, now: datetime
) -> tuple[Worked, ...]:
    """Add the addresses of a list that can be added, one transaction each (R2).

    What the account holds already and what is listed twice is left out. Refusals: those of
    `read_list`; whatever is refused of a single address is told beside it.
    """
    lines = read_list(account_id=account_id, license_type=license_type, text=text)

    def add(line: Line) -> Worked:
        if line.verdict is Verdict.REFUSED:
            return Worked(line.given, line.why)
        try:
            add_ip_license(
                account_id=account_id,
                license_type=license_type,
                address=line.address,
                actor=actor,
                now=now,
            )
        except Refusal as refusal:
            return Worked(line.address, f"{refusal.message} {refusal.fix}".strip())
        return Worked(line.address)

    wanted = [line for line in lines if line.verdict in (Verdict.ADD, Verdict.REFUSED)]
    return tuple(add(line) for line in wanted)


def remove_listed(
    *, account_id: int, rows: Sequence[AddressRow], actor: str, now: datetime
) -> tuple[Worked, ...]:
    """Give these licenses back, one transaction each; one that is gone already is told."""

    def remove(row: AddressRow) -> Worked:
        try:
            remove_ip_license(
                account_id=account_id,
                license_type=row.license_type,
                address=row.address,
                actor=actor,
                now=now,
            )
        except Refusal as refusal:
            return Worked(row.address, refusal.message)
        return Worked(row.address)

    return tuple(remove(row) for row in rows)
