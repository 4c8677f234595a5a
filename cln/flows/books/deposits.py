"""What must hold of resellers: usage, statements and deposits; in the form of `books.money`."""

# R2: a usage invoice bills a whole month, and its statement adds up to its line.
USAGE = """
SELECT account_id, what || ' of usage invoice ' || number, expected::text, found::text FROM (
    SELECT i.account_id, i.number, what, expected, found
    FROM billing_invoice i
    JOIN billing_invoiceline l ON l.invoice_id = i.id AND l.kind = 'usage'
    LEFT JOIN (
        SELECT invoice_id, sum(amount_cents) AS cents, sum(quantity) AS quantity, count(*) AS count,
               sum(days) AS days
        FROM billing_usageshare GROUP BY invoice_id
    ) s ON s.invoice_id = i.id
    CROSS JOIN LATERAL (VALUES
        ('statement', l.amount_cents, coalesce(s.cents, 0)),
        -- By the day, or each license in full, as the switch was.
        ('amount', round(l.unit_cents * CASE WHEN s.quantity = s.count THEN s.quantity
            ELSE s.days::numeric / (upper(l.period) - lower(l.period)) END), l.amount_cents),
        -- Shares of a day are rounded to a millionth each.
        ('quantity of the statement', 0, CASE
            WHEN abs(l.quantity - coalesce(s.quantity, 0)) <= coalesce(s.count, 0) * 0.000001
            THEN 0 ELSE 1 END),
        ('month', 0, CASE WHEN l.period = daterange(i.usage_month,
            (i.usage_month + interval '1 month')::date) THEN 0 ELSE 1 END)
    ) AS figures (what, expected, found)
    WHERE i.purpose = 'usage'
) f WHERE expected <> found
UNION ALL
SELECT i.account_id, 'next bill after the usage of ' || i.usage_month,
       'after ' || (i.usage_month + interval '1 month')::date,
       coalesce(a.next_usage_on::text, 'none')
FROM billing_invoice i JOIN accounts_account a ON a.id = i.account_id
WHERE i.purpose = 'usage' AND coalesce(a.next_usage_on, '-infinity')
      <= (i.usage_month + interval '1 month')::date
"""

# R3, R7: invoices are paid from the deposit, and its debt has a first day.
DEPOSITS = """
WITH resellers AS (
    SELECT a.*, coalesce((
        SELECT sum(CASE WHEN credit = 'balance' THEN cents ELSE -cents END) FROM billing_transfer t
        WHERE t.account_id = a.id AND 'balance' IN (t.debit, t.credit)), 0) AS balance
    FROM accounts_account a WHERE a.kind = 'reseller'
)
SELECT id, 'day the deposit became negative', CASE WHEN balance < 0 THEN 'some day' ELSE 'none' END,
       coalesce(negative_since::text, 'none')
FROM resellers WHERE (balance < 0) <> (negative_since IS NOT NULL)
UNION ALL
SELECT id, 'dunning state with a deposit of ' || balance, 'current', dunning_state
FROM resellers WHERE balance >= 0 AND dunning_state <> 'current'
UNION ALL
SELECT id, 'next dunning day of a negative deposit', 'some day', 'none'
FROM resellers WHERE balance < 0 AND dunning_state <> 'ended' AND dunning_next_on IS NULL
UNION ALL
SELECT i.account_id, 'status of a reseller''s invoice ' || i.number, 'paid', i.status
FROM billing_invoice i JOIN resellers r ON r.id = i.account_id
WHERE i.status = 'open' AND NOT EXISTS (
    SELECT FROM payments_paymentattempt t
    WHERE t.invoice_id = i.id AND t.state IN ('open', 'unknown', 'pending'))
"""

CHECKS = (USAGE, DEPOSITS)
