"""How money arrives: payment methods, attempts, payments, allocations, refunds, autopay."""
