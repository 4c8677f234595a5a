"""What must hold between documents, money and the ledger; each query finds what does not.

Every query returns (account_id, what, expected, found), one row per difference, and looks at all
accounts at once. Amounts are cents.
"""

# Where an invoice's figures come from.
LINES = """
SELECT account_id, figure || ' of invoice ' || number, expected, found FROM (
    SELECT i.account_id, i.number, figure, expected, found
    FROM billing_invoice i
    LEFT JOIN (
        SELECT invoice_id,
               sum(amount_cents) FILTER (WHERE kind <> 'tax') AS net,
               sum(amount_cents) FILTER (WHERE kind = 'tax') AS tax
        FROM billing_invoiceline GROUP BY invoice_id
    ) l ON l.invoice_id = i.id
    CROSS JOIN LATERAL (VALUES
        ('net', coalesce(l.net, 0), i.net_cents),
        ('tax', coalesce(l.tax, 0), i.tax_cents),
        ('total', coalesce(l.net, 0) + coalesce(l.tax, 0), i.total_cents)
    ) AS figures (figure, expected, found)
) f WHERE expected <> found
"""

# M3, M4: a line costs its units for its part of the period, and tax its rate of the net.
LINE_AMOUNTS = """
SELECT i.account_id, 'amount of line ' || l.position || ' of invoice ' || i.number,
       f.expected, l.amount_cents
FROM (
    SELECT id, round(quantity * unit_cents) AS expected
    FROM billing_invoiceline WHERE kind = 'recurring'
    UNION ALL
    SELECT l.id, round(l.quantity * l.unit_cents * (upper(l.period) - lower(l.period))
                       / (upper(r.period) - lower(r.period)))
    FROM billing_invoiceline l
    JOIN billing_invoiceline r ON r.subscription_id = l.subscription_id
         AND r.kind = 'recurring' AND r.period @> l.period
    WHERE l.kind = 'proration'
    UNION ALL
    -- The source of a tax line is tax:2300, its rate in hundredths of a percent.
    SELECT l.id, round(i.net_cents * split_part(l.source, ':', 2)::numeric / 10000)
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.kind = 'tax'
) f JOIN billing_invoiceline l ON l.id = f.id JOIN billing_invoice i ON i.id = l.invoice_id
WHERE f.expected <> l.amount_cents
"""

INVOICE_PAID = """
SELECT i.account_id, 'paid of invoice ' || i.number, coalesce(a.cents, 0), i.paid_cents
FROM billing_invoice i
LEFT JOIN (
    SELECT invoice_id, sum(amount_cents) AS cents FROM payments_allocation GROUP BY invoice_id
) a ON a.invoice_id = i.id
WHERE coalesce(a.cents, 0) <> i.paid_cents
"""

INVOICE_STATUS = """
SELECT account_id, 'status of invoice ' || number, expected, status FROM (
    SELECT account_id, number, status, CASE
        WHEN status = 'open' AND paid_cents = total_cents THEN 'paid'
        WHEN status = 'paid' AND paid_cents <> total_cents THEN 'open'
        ELSE status END AS expected
    FROM billing_invoice
) i WHERE expected <> status
UNION ALL
SELECT account_id, 'paid of void invoice ' || number, '0', paid_cents::text
FROM billing_invoice WHERE status = 'void' AND paid_cents <> 0
"""

# P9, P10: money is never given out twice.
PAYMENT_SPENT = """
SELECT p.account_id, 'allocated of payment ' || p.public_id, 'at most ' || p.amount_cents, a.cents
FROM payments_payment p JOIN (
    SELECT payment_id, sum(amount_cents) AS cents FROM payments_allocation
    WHERE payment_id IS NOT NULL GROUP BY payment_id
) a ON a.payment_id = p.id
WHERE a.cents > p.amount_cents
UNION ALL
SELECT p.account_id, 'refunded of payment ' || p.public_id, 'at most ' || p.amount_cents, r.cents
FROM payments_payment p JOIN (
    SELECT payment_id, sum(amount_cents) AS cents FROM payments_refund
    WHERE state NOT IN ('declined', 'abandoned') GROUP BY payment_id
) r ON r.payment_id = p.id
WHERE r.cents > p.amount_cents
"""

LINE_CREDITED = """
SELECT i.account_id, 'credited of line ' || l.position || ' of invoice ' || i.number,
       'at most ' || l.amount_cents, c.cents
FROM billing_invoiceline l
JOIN billing_invoice i ON i.id = l.invoice_id
JOIN (
    SELECT invoice_line_id, sum(amount_cents) AS cents FROM billing_creditnoteline
    GROUP BY invoice_line_id
) c ON c.invoice_line_id = l.id
WHERE c.cents > l.amount_cents
"""

# P3: a success is one payment, and a payment is a success.
ATTEMPTS = """
SELECT t.account_id, 'payments of succeeded attempt ' || t.public_id, '1', '0'
FROM payments_paymentattempt t LEFT JOIN payments_payment p ON p.attempt_id = t.id
WHERE t.state = 'succeeded' AND p.id IS NULL
UNION ALL
SELECT t.account_id, 'state of attempt ' || t.public_id || ' with a payment', 'succeeded', t.state
FROM payments_paymentattempt t JOIN payments_payment p ON p.attempt_id = t.id
WHERE t.state <> 'succeeded'
UNION ALL
SELECT t.account_id, 'payment of attempt ' || t.public_id,
       t.amount_cents || ' ' || t.currency || ' of account ' || t.account_id,
       p.amount_cents || ' ' || p.currency || ' of account ' || p.account_id
FROM payments_paymentattempt t JOIN payments_payment p ON p.attempt_id = t.id
WHERE (t.amount_cents, t.currency, t.account_id)
      IS DISTINCT FROM (p.amount_cents, p.currency, p.account_id)
"""

# The sandbox gateway keeps count of what it took; an attempt in flight may be ahead of us.
SANDBOX = """
SELECT t.account_id, 'booked of sandbox charge ' || c.reference, c.amount_cents,
       coalesce(p.amount_cents, 0)
FROM payments_sandboxcharge c
LEFT JOIN payments_paymentattempt t ON t.public_id = c.reference
LEFT JOIN payments_payment p ON p.attempt_id = t.id
LEFT JOIN accounts_depositorder o ON o.public_id = c.reference
WHERE coalesce(p.amount_cents, 0) <> c.amount_cents
  AND coalesce(t.state, o.state, '') NOT IN ('open', 'unknown', 'pending')
UNION ALL
SELECT p.account_id, 'sandbox charge behind payment ' || p.public_id, p.amount_cents, 0
FROM payments_payment p
JOIN payments_paymentattempt t ON t.id = p.attempt_id
LEFT JOIN payments_sandboxcharge c ON c.reference = t.public_id
WHERE p.gateway = 'sandbox' AND c.id IS NULL
"""

# Each document moved in the ledger what it says, no more and no less.
LEDGER_OF_INVOICES = """
WITH moved AS (
    SELECT invoice_id,
        sum(cents) FILTER (WHERE debit = 'receivable' AND credit = 'revenue')
            AS net, sum(cents) FILTER (WHERE debit = 'receivable' AND credit = 'tax') AS tax,
        sum(cents) FILTER (WHERE credit = 'receivable' AND debit IN ('revenue', 'tax')) AS voided,
        coalesce(sum(cents) FILTER (WHERE debit = 'balance' AND credit = 'receivable'), 0)
            - coalesce(sum(cents) FILTER (WHERE debit = 'receivable' AND credit = 'balance'), 0)
            AS allocated,
        sum(cents) FILTER (WHERE debit = 'bad_debt' AND credit = 'receivable') AS written_off
    FROM billing_transfer WHERE invoice_id IS NOT NULL GROUP BY invoice_id
)
SELECT account_id, what || ' in the ledger of invoice ' || number, expected, found FROM (
    SELECT i.account_id, i.number, what, expected, coalesce(found, 0) AS found
    FROM billing_invoice i LEFT JOIN moved m ON m.invoice_id = i.id
    CROSS JOIN LATERAL (VALUES
        ('net', i.net_cents, m.net),
        ('tax', i.tax_cents, m.tax),
        ('voided', CASE WHEN i.status = 'void' THEN i.total_cents ELSE 0 END, m.voided),
        ('allocated', i.paid_cents, m.allocated),
        ('written off',
         CASE WHEN i.status = 'uncollectible' THEN i.total_cents - i.paid_cents ELSE 0 END,
         m.written_off)
    ) AS figures (what, expected, found)
) f WHERE expected <> found
"""

LEDGER_OF_PAYMENTS = """
SELECT p.account_id, 'received in the ledger of payment ' || p.public_id, p.amount_cents,
       coalesce(m.cents, 0)
FROM payments_payment p LEFT JOIN (
    SELECT payment_id, sum(cents) AS cents FROM billing_transfer
    WHERE debit = 'cash' AND credit = 'balance' GROUP BY payment_id
) m ON m.payment_id = p.id
WHERE coalesce(m.cents, 0) <> p.amount_cents
UNION ALL
SELECT t.account_id, 'payments behind the ' || t.kind || ' of payment ' || t.payment_id, 1, 0
FROM billing_transfer t LEFT JOIN payments_payment p ON p.id = t.payment_id
WHERE t.payment_id IS NOT NULL AND p.id IS NULL
"""

LEDGER_OF_CREDIT_NOTES = """
SELECT n.account_id, 'credited in the ledger of credit note ' || n.number, n.total_cents,
       coalesce(m.cents, 0)
FROM billing_creditnote n LEFT JOIN (
    SELECT credit_note_id, sum(cents) AS cents FROM billing_transfer
    WHERE credit = 'balance' AND debit IN ('revenue', 'tax') GROUP BY credit_note_id
) m ON m.credit_note_id = n.id
WHERE coalesce(m.cents, 0) <> n.total_cents
"""

# P10: what left the balance is what refunds took and did not bring back; the same at the gateway.
REFUNDS = """
SELECT n.account_id, 'refunded in the ledger of credit note ' || n.number,
       coalesce(r.cents, 0), coalesce(m.cents, 0)
FROM billing_creditnote n
LEFT JOIN (
    SELECT credit_note_id, sum(amount_cents) AS cents FROM payments_refund
    WHERE state NOT IN ('declined', 'abandoned') GROUP BY credit_note_id
) r ON r.credit_note_id = n.id
LEFT JOIN (
    SELECT credit_note_id, sum(CASE WHEN credit = 'cash' THEN cents ELSE -cents END) AS cents
    FROM billing_transfer WHERE 'cash' IN (debit, credit) AND credit_note_id IS NOT NULL
    GROUP BY credit_note_id
) m ON m.credit_note_id = n.id
WHERE coalesce(r.cents, 0) <> coalesce(m.cents, 0)
UNION ALL
SELECT n.account_id, 'lines of credit note ' || n.number, n.total_cents, coalesce(l.cents, 0)
FROM billing_creditnote n LEFT JOIN (
    SELECT credit_note_id, sum(amount_cents) AS cents FROM billing_creditnoteline
    GROUP BY credit_note_id
) l ON l.credit_note_id = n.id
WHERE coalesce(l.cents, 0) <> n.total_cents
UNION ALL
SELECT p.account_id, 'sandbox refund of ' || r.public_id,
       CASE WHEN r.state = 'succeeded' THEN r.amount_cents ELSE 0 END, coalesce(s.amount_cents, 0)
FROM payments_refund r
JOIN payments_payment p ON p.id = r.payment_id AND p.gateway = 'sandbox'
LEFT JOIN payments_sandboxrefund s ON s.reference = r.public_id
WHERE r.state NOT IN ('open', 'unknown', 'pending')
  AND CASE WHEN r.state = 'succeeded' THEN r.amount_cents ELSE 0 END <> coalesce(s.amount_cents, 0)
"""

UNKNOWN_TRANSFERS = """
SELECT account_id, 'transfer ' || id || ' ' || kind, 'a movement the books know',
       debit || ' from ' || credit
FROM billing_transfer WHERE (debit, credit) NOT IN (
    ('receivable', 'revenue'), ('receivable', 'tax'), ('revenue', 'receivable'),
    ('tax', 'receivable'), ('cash', 'balance'), ('balance', 'cash'), ('balance', 'receivable'),
    ('receivable', 'balance'), ('revenue', 'balance'), ('tax', 'balance'),
    ('bad_debt', 'receivable')
)
"""

# What screens show is derived from the ledger; here it is derived from the documents.
ACCOUNT_TOTALS = """
WITH ledger AS (
    SELECT account_id,
        sum(CASE WHEN debit = 'receivable' THEN cents WHEN credit = 'receivable' THEN -cents
            ELSE 0 END) AS receivable,
        sum(CASE WHEN credit = 'balance' THEN cents WHEN debit = 'balance' THEN -cents
            ELSE 0 END) AS balance,
        sum(cents) FILTER (
            WHERE debit = 'revenue' AND credit = 'balance' AND credit_note_id IS NULL) AS granted
    FROM billing_transfer GROUP BY account_id
), due AS (
    SELECT account_id, sum(total_cents - paid_cents) AS cents FROM billing_invoice
    WHERE status = 'open' GROUP BY account_id
), received AS (
    SELECT account_id, sum(amount_cents) AS cents FROM payments_payment GROUP BY account_id
), allocated AS (
    SELECT account_id, sum(amount_cents) AS cents FROM payments_allocation GROUP BY account_id
), credited AS (
    SELECT account_id, sum(total_cents) AS cents FROM billing_creditnote GROUP BY account_id
), refunded AS (
    SELECT p.account_id, sum(r.amount_cents) AS cents FROM payments_refund r
    JOIN payments_payment p ON p.id = r.payment_id WHERE r.state NOT IN ('declined', 'abandoned')
    GROUP BY p.account_id
)
SELECT account_id, what, expected, found FROM (
    SELECT a.id AS account_id, what, expected, coalesce(found, 0) AS found
    FROM accounts_account a
    LEFT JOIN ledger l ON l.account_id = a.id
    LEFT JOIN due ON due.account_id = a.id
    LEFT JOIN received ON received.account_id = a.id
    LEFT JOIN allocated ON allocated.account_id = a.id
    LEFT JOIN credited ON credited.account_id = a.id
    LEFT JOIN refunded ON refunded.account_id = a.id
    CROSS JOIN LATERAL (VALUES
        ('receivable', coalesce(due.cents, 0), l.receivable),
        ('balance',
         coalesce(received.cents, 0) + coalesce(credited.cents, 0) + coalesce(l.granted, 0)
             - coalesce(allocated.cents, 0) - coalesce(refunded.cents, 0),
         l.balance)
    ) AS figures (what, expected, found)
) f WHERE expected <> found
"""

# P11: every number from 1 to the newest is there. A series belongs to no account.
SERIES = """
SELECT NULL::bigint, 'invoices of series ' || s.code, (s.next_number - 1)::text,
       coalesce(i.count, 0)::text
FROM billing_invoiceseries s LEFT JOIN (
    SELECT series_id, count(*) AS count FROM billing_invoice GROUP BY series_id
    UNION ALL
    SELECT 'credits', count(*) FROM billing_creditnote
) i ON i.series_id = s.code
WHERE coalesce(i.count, 0) <> s.next_number - 1
UNION ALL
SELECT n.account_id, 'number of credit note ' || n.number,
       s.prefix || ' and 1 to ' || s.next_number - 1, n.number
FROM billing_creditnote n JOIN billing_invoiceseries s ON s.code = 'credits'
WHERE n.number !~ ('^' || s.prefix || '[0-9]+$') OR
      substr(n.number, length(s.prefix) + 1)::numeric NOT BETWEEN 1 AND s.next_number - 1
UNION ALL
SELECT i.account_id, 'number of invoice ' || i.number,
       s.prefix || ' and 1 to ' || s.next_number - 1, i.number
FROM billing_invoice i JOIN billing_invoiceseries s ON s.code = i.series_id
WHERE NOT starts_with(i.number, s.prefix) OR CASE
    WHEN substr(i.number, length(s.prefix) + 1) !~ '^[0-9]+$' THEN true
    ELSE substr(i.number, length(s.prefix) + 1)::numeric NOT BETWEEN 1 AND s.next_number - 1 END
"""

# An account has one currency, and everything in its books is in it.
CURRENCIES = """
SELECT x.account_id, 'currency of ' || x.what, a.currency, x.currency FROM (
    SELECT account_id, 'invoice ' || number AS what, currency FROM billing_invoice
    UNION ALL
    SELECT account_id, 'transfer ' || id || ' ' || kind, currency FROM billing_transfer
    UNION ALL
    SELECT account_id, 'payment ' || public_id, currency FROM payments_payment
    UNION ALL
    SELECT account_id, 'attempt ' || public_id, currency FROM payments_paymentattempt
) x JOIN accounts_account a ON a.id = x.account_id
WHERE x.currency <> a.currency
"""

CHECKS = (
    CURRENCIES,
    LINES,
    LINE_AMOUNTS,
    INVOICE_PAID,
    INVOICE_STATUS,
    PAYMENT_SPENT,
    LINE_CREDITED,
    ATTEMPTS,
    SANDBOX,
    LEDGER_OF_INVOICES,
    LEDGER_OF_PAYMENTS,
    LEDGER_OF_CREDIT_NOTES,
    REFUNDS,
    UNKNOWN_TRANSFERS,
    ACCOUNT_TOTALS,
    SERIES,
)
