"""Proving the books: every figure is derived again from the first event and compared (P12)."""

from cln.flows.books.check import Difference, check_books, nightly

__all__ = ["Difference", "check_books", "nightly"]
