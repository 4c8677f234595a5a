"""What must hold between agreements, periods, rights and servers; in the form of `books.money`."""

# A boundary is counted from the anchor and clamped to the month's end (M2), as PostgreSQL adds.
_PERIODS = """
    SELECT s.id, s.account_id, t.code, s.anchor, s.billed_periods,
           CASE s.interval WHEN 'year' THEN interval '1 year' ELSE interval '1 month' END AS every
    FROM billing_subscription s JOIN catalog_licensetype t ON t.id = s.license_type_id
"""

QUANTITY = """
SELECT s.account_id, 'quantity of the ' || t.code || ' subscription ' || s.id,
       coalesce(c.units, 0), s.quantity
FROM billing_subscription s
JOIN catalog_licensetype t ON t.id = s.license_type_id
LEFT JOIN (
    SELECT subscription_id, sum(delta) AS units FROM billing_quantitychange
    GROUP BY subscription_id
) c ON c.subscription_id = s.id
WHERE coalesce(c.units, 0) <> s.quantity
"""

BILLED_PERIODS = f"""
WITH s AS ({_PERIODS})
SELECT s.account_id, 'billed periods of the ' || s.code || ' subscription ' || s.id,
       coalesce(l.count, 0), s.billed_periods
FROM s LEFT JOIN (
    SELECT subscription_id, count(*) AS count FROM billing_invoiceline
    WHERE kind = 'recurring' GROUP BY subscription_id
) l ON l.subscription_id = s.id
WHERE coalesce(l.count, 0) <> s.billed_periods
"""

TILES = f"""
WITH s AS ({_PERIODS}), tiles AS (
    SELECT subscription_id, period,
           row_number() OVER (PARTITION BY subscription_id ORDER BY period) AS k
    FROM billing_invoiceline WHERE kind = 'recurring' AND subscription_id IS NOT NULL
)
SELECT s.account_id, 'period ' || k || ' of the ' || s.code || ' subscription ' || s.id,
       daterange((s.anchor + (k - 1) * s.every)::date, (s.anchor + k * s.every)::date),
       tiles.period
FROM tiles JOIN s ON s.id = tiles.subscription_id
WHERE tiles.period
      <> daterange((s.anchor + (k - 1) * s.every)::date, (s.anchor + k * s.every)::date)
"""

BILLED_TWICE = """
SELECT account_id, 'lines of ' || source || ' that share days, subscription ' || subscription_id,
       '0', count(*)
FROM (
    SELECT i.account_id, l.subscription_id, l.source, lower(l.period) < max(upper(l.period)) OVER (
        PARTITION BY l.subscription_id, l.source ORDER BY l.period, l.id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS shares
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.subscription_id IS NOT NULL
) l WHERE shares GROUP BY account_id, subscription_id, source
"""

NEXT_BILLING = f"""
WITH s AS ({_PERIODS})
SELECT s.account_id, 'next billing day of the ' || s.code || ' subscription ' || s.id,
       CASE u.status WHEN 'active'
           THEN 'not after ' || (s.anchor + s.billed_periods * s.every)::date ELSE 'none' END,
       coalesce(u.next_billing_on::text, 'none')
FROM s JOIN billing_subscription u ON u.id = s.id
WHERE (u.status = 'active') <> (u.next_billing_on IS NOT NULL)
   OR u.next_billing_on > (s.anchor + s.billed_periods * s.every)::date
"""

# No right without a reason, no paid license without its right. Resellers' rights are post-paid.
ENTITLEMENTS = """
WITH reasons AS (
    SELECT account_id, license_type_id, 'paid' AS kind, quantity::bigint
    FROM billing_subscription WHERE status = 'active'
), rights AS (
    SELECT e.* FROM licensing_entitlement e JOIN accounts_account a ON a.id = e.account_id
    WHERE (e.quantity IS NULL OR e.quantity > 0) AND (a.kind = 'customer' OR EXISTS (
        -- A customer who became a reseller: his subscriptions run out first (R1).
        SELECT FROM reasons r
        WHERE (r.account_id, r.license_type_id) = (e.account_id, e.license_type_id)))
)
SELECT account_id, 'licenses of ' || t.code, expected, found FROM (
    SELECT coalesce(r.account_id, e.account_id) AS account_id,
           coalesce(r.license_type_id, e.license_type_id) AS license_type_id,
           CASE WHEN r.quantity > 0 THEN r.quantity || ' paid' ELSE 'none' END AS expected,
           CASE WHEN e.id IS NULL THEN 'none'
                ELSE coalesce(e.quantity::text, 'unlimited') || ' ' || e.kind END AS found
    FROM reasons r FULL JOIN (SELECT * FROM rights WHERE kind = 'paid') e
      ON (e.account_id, e.license_type_id) = (r.account_id, r.license_type_id)
    UNION ALL
    SELECT e.account_id, e.license_type_id, 'none without a running trial',
           coalesce(e.quantity::text, 'unlimited') || ' trial'
    FROM rights e WHERE e.kind = 'trial' AND NOT EXISTS (
        SELECT FROM licensing_trial x
        WHERE (x.account_id, x.license_type_id) = (e.account_id, e.license_type_id)
          AND x.ended_at IS NULL AND x.converted_at IS NULL)
) f JOIN catalog_licensetype t ON t.id = f.license_type_id WHERE expected <> found
"""

COUNTERS = """
WITH seated AS (
    SELECT account_id, license_type_id, key_id FROM licensing_server
    WHERE status = 'active' AND takes_seat
)
SELECT e.account_id, 'used licenses of ' || t.code, coalesce(s.count, 0), e.used
FROM licensing_entitlement e
JOIN catalog_licensetype t ON t.id = e.license_type_id
LEFT JOIN (
    SELECT account_id, license_type_id, count(*) AS count FROM seated
    GROUP BY account_id, license_type_id
) s ON (s.account_id, s.license_type_id) = (e.account_id, e.license_type_id)
WHERE coalesce(s.count, 0) <> e.used
UNION ALL
SELECT k.account_id, 'used of key ' || k.public_id, coalesce(s.count, 0), k.used
FROM licensing_activationkey k LEFT JOIN (
    SELECT key_id, count(*) AS count FROM seated WHERE key_id IS NOT NULL GROUP BY key_id
) s ON s.key_id = k.id
WHERE coalesce(s.count, 0) <> k.used
"""

# A customer is asked, blocked or suspended exactly while invoices say so (P7, P8). An unpaid first
# order is no debt.
DUNNING = """
WITH debts AS (
    SELECT a.id, a.dunning_state, a.dunning_next_on, a.blocked_on, EXISTS (
        SELECT FROM billing_invoice i
        WHERE i.account_id = a.id AND i.status = 'open' AND i.purpose <> 'order') AS owes,
        EXISTS (SELECT FROM licensing_entitlement e
                WHERE e.account_id = a.id AND e.suspended_at IS NOT NULL) AS is_suspended
    FROM accounts_account a WHERE a.kind = 'customer'
)
SELECT id, 'dunning state without a debt', 'current', dunning_state
FROM debts WHERE NOT owes AND dunning_state <> 'current'
UNION ALL
SELECT id, 'next dunning day', CASE WHEN owes THEN 'some day' ELSE 'none' END,
       coalesce(dunning_next_on::text, 'none')
FROM debts WHERE dunning_state <> 'ended' AND owes <> (dunning_next_on IS NOT NULL)
UNION ALL
SELECT id, 'blocked since, ' || dunning_state,
       CASE WHEN dunning_state IN ('current', 'past_due') THEN 'never' ELSE 'some day' END,
       coalesce(blocked_on::text, 'never')
FROM debts
WHERE (dunning_state IN ('current', 'past_due')) <> (blocked_on IS NULL)
UNION ALL
SELECT id, 'suspended licenses, ' || dunning_state, 'none', 'some'
FROM debts WHERE is_suspended AND dunning_state NOT IN ('suspended', 'ended')
"""

CHECKS = (
    QUANTITY,
    BILLED_PERIODS,
    TILES,
    BILLED_TWICE,
    NEXT_BILLING,
    ENTITLEMENTS,
    COUNTERS,
    DUNNING,
)
