"""The outbox: every mail and webhook is a row written in the transaction that causes it."""
