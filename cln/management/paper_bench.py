"""How long a document takes to print: `cln bench pdf`."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime

from cln.paper import press
from cln.paper.sheet import Column, Mark, Note, Party, Row, Sheet, Sum, Sums, Table, Tone

LINES = (3, 40, 400)
COLUMNS = (
    Column("For"),
    Column("Quantity", is_figure=True),
    Column("Unit price", is_figure=True),
    Column("Amount", is_figure=True),
)


def measure(*, times: int = 50) -> dict[str, object]:
    """Milliseconds for invoices of some lengths, by the clock and of the processor; no two are
    alike, so that nothing is remembered from the one before. The first print loads the fonts too.
    """
    press.fresh()
    report: dict[str, object] = {"first_print_of_a_process_ms": round(_one(LINES[0], -1)[0], 1)}
    for lines in LINES:
        taken = [_one(lines, number) for number in range(times)]
        clock = sorted(by_clock for by_clock, _ in taken)
        report[f"invoice_of_{lines}_lines"] = {
            "prints": times,
            "p50_ms": round(statistics.median(clock), 1),
            "p95_ms": round(clock[int(0.95 * (times - 1))], 1),
            "p50_processor_ms": round(statistics.median(busy for _, busy in taken), 1),
        }
    return report


def _one(lines: int, number: int) -> tuple[float, float]:
    sheet = _sheet(lines, number)
    started, busy = time.perf_counter(), time.process_time()
    press.pdf(sheet)
    return (time.perf_counter() - started) * 1000, (time.process_time() - busy) * 1000


def _sheet(lines: int, number: int) -> Sheet:
    rows = tuple(
        Row(
            (f"License {number}-{at}, 28 Feb – 31 Mar 2026", f"{number + at}", "10.00", "19.29"),
            f"Added {number}-{at}: 3 × 10.00 × 18/28 days (10 Feb – 28 Feb)",
        )
        for at in range(lines)
    )
    total = Sum("Total", f"${number}.00", is_total=True)
    return Sheet(
        title="Invoice",
        number=f"CBI-{number:06d}",
        mark=Mark("PAID", Tone.GOOD),
        facts=(("Issued", "28 Feb 2026"), ("Due", "28 Feb 2026")),
        seller=Party("From", "Example Software Ltd", ("1 Sample Street", "VAT IE1234567T")),
        customer=Party("Billed to", f"Company {number}", ("7 Harbour Row",)),
        blocks=(Table(COLUMNS, rows), Sums((Sum("Net", "10.00"), total)), Note("Thank you.")),
        made_at=datetime(2026, 2, 28, tzinfo=UTC),
    )
