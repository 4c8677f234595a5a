"""Documents of money: what is said on them. `cln.paper` prints what these return."""

from cln.flows.documents.credit_note import credit_note_sheet
from cln.flows.documents.invoice import invoice_sheet
from cln.flows.documents.statement import UnknownStatement, statement_sheet

__all__ = ["UnknownStatement", "credit_note_sheet", "invoice_sheet", "statement_sheet"]
