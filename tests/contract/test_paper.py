"""The page itself: words printed as they are, over as many pages as it takes, twice the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cln.management.paper_bench import measure
from cln.paper import press
from cln.paper.sheet import Column, Mark, Note, Party, Row, Sheet, Sum, Sums, Table, Tone
from tests.pdf_text import pages_of, text_of

HOSTILE = '#read("/etc/passwd") *bold* _it_ $x^2$ @ref <label> = Title \\ // -- "q" `r` [b](u)'
COLUMNS = (Column("For"), Column("Quantity", is_figure=True), Column("Amount", is_figure=True))


def a_sheet(lines: int = 1) -> Sheet:
    rows = tuple(Row((f"Line {n}", "1", f"{n}.00"), f"because of {n}") for n in range(1, lines + 1))
    return Sheet(
        title="Invoice",
        number="CBI-000001",
        mark=Mark("PAID", Tone.GOOD),
        facts=(("Issued", "28 Feb 2026"),),
        seller=Party("From", "Seller Ltd", ("1 Street",)),
        customer=Party("Billed to", "Acme"),
        blocks=(
            Table(COLUMNS, rows),
            Sums((Sum("Net", "10.00"), Sum("Total", "12.00", "20 % of 10.00", is_total=True))),
            Note("Please pay:", "https://cln.example/pay"),
        ),
        made_at=datetime(2026, 2, 28, tzinfo=UTC),
    )


def test_everything_a_sheet_says_can_be_read_on_the_page() -> None:
    assert text_of(press.pdf(a_sheet())) == (
        "Seller Ltd Invoice CBI-000001 PAID BILLED TO Acme FROM Seller Ltd 1 Street "
        "ISSUED 28 Feb 2026 FOR QUANTITY AMOUNT Line 1 because of 1 1 1.00 "
        "Net 10.00 Total 20 % of 10.00 12.00 Please pay: https://cln.example/pay "
        "Seller Ltd · 1 Street Page 1 of 1"
    )


def test_words_are_never_read_as_markup() -> None:
    """A company may call itself what it likes; nothing of it is carried out."""
    sheet = replace(
        a_sheet(),
        customer=Party("Billed to", HOSTILE, (HOSTILE,)),
        seller=Party("From", HOSTILE),
        number=HOSTILE,
        blocks=(
            Table(COLUMNS, (Row((HOSTILE, HOSTILE, HOSTILE), HOSTILE),), HOSTILE, HOSTILE),
            Sums((Sum(HOSTILE, HOSTILE, HOSTILE),)),
            Note(HOSTILE, HOSTILE),
        ),
    )

    page = text_of(press.pdf(sheet)).replace(" ", "")

    # 16 places on the page, and on its two sides the seller's foot; on the second both in the head.
    assert page.count(HOSTILE.replace(" ", "")) == 16 + 2 + 2
    assert "root:" not in page


def test_a_sheet_of_forty_lines_goes_over_pages_that_repeat_the_head() -> None:
    pages = pages_of(press.pdf(a_sheet(40)))

    assert len(pages) == 2
    for number, page in enumerate(pages, start=1):
        assert page.endswith(f"Page {number} of 2")
        assert "FOR QUANTITY AMOUNT" in page
    assert pages[1].startswith("Seller Ltd Invoice CBI-000001 FOR")
    found = [word for page in pages for word in page.split("Line ")[1:]]
    assert [int(text.split()[0]) for text in found] == list(range(1, 41))


def test_words_without_a_blank_wrap_and_stay_whole() -> None:
    host = "-".join(["a-very-long-host-name"] * 14) + ".example"
    sheet = replace(a_sheet(), blocks=(Table(COLUMNS, (Row((host, "1", "2.00")),)),))

    assert host in text_of(press.pdf(sheet)).replace(" ", "")


def test_the_same_sheet_gives_the_same_bytes_on_a_fresh_press_too() -> None:
    first = press.pdf(a_sheet(3))
    other = press.pdf(replace(a_sheet(3), made_at=a_sheet().made_at + timedelta(days=1)))
    press.fresh()

    assert press.pdf(a_sheet(3)) == first
    assert other != first
    assert b"CreationDate(D:20260228000000Z)" in first


@pytest.mark.parametrize("is_void", [True, False])
def test_what_is_void_says_so_across_the_page(is_void: bool) -> None:
    assert ("VOID" in text_of(press.pdf(replace(a_sheet(), is_void=is_void)))) is is_void


def test_many_may_print_at_once() -> None:
    """A web process has threads, the compiler takes one caller at a time."""
    sheets = [replace(a_sheet(), number=f"CBI-{n}") for n in range(4)]
    alone = [press.pdf(sheet) for sheet in sheets]
    found: list[list[bytes]] = [[] for _ in sheets]

    def print_some(at: int) -> None:
        found[at] += [press.pdf(sheets[at]) for _ in range(5)]

    threads = [threading.Thread(target=print_some, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [[one] * 5 for one in alone]


def test_pictures_of_the_pages_are_png() -> None:
    [page] = press.png(a_sheet())

    assert page.startswith(b"\x89PNG")


def test_the_measurement_prints_what_it_says() -> None:
    report = measure(times=2)

    assert list(report) == [
        "first_print_of_a_process_ms",
        "invoice_of_3_lines",
        "invoice_of_40_lines",
        "invoice_of_400_lines",
    ]
    assert report["invoice_of_3_lines"]["prints"] == 2  # type: ignore[index]
