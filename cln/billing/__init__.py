"""Subscriptions, their dated quantity changes, invoices, credit notes and the ledger."""
