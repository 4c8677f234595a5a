"""What must hold between lines, changes of quantity and price lists; in the form of `books.money`.

A list counts from its first day on, so one that is dated back contradicts what was billed since.
On that day itself it may have been entered after the writing, so the list before it is right, too.
"""

# Everything that took its price from a list, and the day that chose the list (Q1, Q5). What a
# month of usage costs is chosen by its first day, or by the first list that came in it (R2).
_PRICED = """
    SELECT i.account_id, 'line ' || l.position || ' of invoice ' || i.number AS what,
           i.license_type_id, s.interval, lower(l.period) AS priced_on, i.issued_at AS at,
           l.subscription_id, l.quantity, l.unit_cents, l.price_list_id
    FROM billing_invoiceline l
    JOIN billing_invoice i ON i.id = l.invoice_id
    JOIN billing_subscription s ON s.id = l.subscription_id
    WHERE l.kind = 'recurring'
    UNION ALL
    -- Of which license type a change was, its list says: the edition may have changed since (Q13).
    SELECT s.account_id, 'change ' || c.id || ' of subscription ' || s.id, p.license_type_id,
           s.interval, c."on", c.at, s.id, c.quantity_after, c.unit_cents, c.price_list_id
    FROM billing_quantitychange c
    JOIN billing_subscription s ON s.id = c.subscription_id
    JOIN catalog_pricelist p ON p.id = c.price_list_id
    UNION ALL
    SELECT i.account_id, 'line ' || l.position || ' of invoice ' || i.number, i.license_type_id,
           'month', least(greatest(lower(l.period), lists.first_on), upper(l.period) - 1),
           i.issued_at, NULL,
           (SELECT count(*) FROM billing_usageshare u WHERE u.invoice_id = i.id), l.unit_cents,
           l.price_list_id
    FROM billing_invoiceline l
    JOIN billing_invoice i ON i.id = l.invoice_id
    CROSS JOIN LATERAL (
        SELECT min(p.effective_on) AS first_on FROM catalog_pricelist p
        WHERE p.license_type_id = i.license_type_id AND p.currency = i.currency
          AND p.interval = 'month' AND (p.account_id IS NULL OR p.account_id = i.account_id)
    ) lists
    WHERE l.kind = 'usage'
"""


def _list_in_force(when: str) -> str:
    """The account's own list rules from its first day on (R-17); a yearly one before ten months."""
    return f"""
        SELECT p.id, p.effective_on,
               CASE WHEN p.interval = asked.interval THEN 1 ELSE 10 END AS months
        FROM catalog_pricelist p
        WHERE p.license_type_id = asked.license_type_id AND p.currency = asked.currency
          AND p.effective_on {when}
          AND (p.account_id IS NULL OR p.account_id = asked.owner)
          AND (p.interval = asked.interval OR asked.interval = 'year')
        ORDER BY p.account_id IS NULL, p.interval <> asked.interval, p.effective_on DESC, p.id DESC
        LIMIT 1
    """


# On its first day a list may have been entered after the writing: then the one before it is right.
_VALID = f"""
owners AS (
    SELECT DISTINCT account_id FROM catalog_pricelist WHERE account_id IS NOT NULL
), priced AS MATERIALIZED (
    SELECT x.*, a.currency, o.account_id AS owner FROM ({_PRICED}) x
    JOIN accounts_account a ON a.id = x.account_id
    LEFT JOIN owners o ON o.account_id = x.account_id
), lists AS MATERIALIZED (
    SELECT asked.*, list.*, earlier.id AS earlier_id, earlier.months AS earlier_months
    FROM (SELECT DISTINCT license_type_id, currency, interval, priced_on, owner FROM priced) asked
    CROSS JOIN LATERAL ({_list_in_force("<= asked.priced_on")}) list
    LEFT JOIN LATERAL ({_list_in_force("< asked.priced_on")}) earlier ON true
), valid AS MATERIALIZED (
    SELECT p.*, CASE WHEN new.came_later THEN l.earlier_id ELSE l.id END AS list_id,
           CASE WHEN new.came_later THEN l.earlier_months ELSE l.months END AS months
    FROM priced p LEFT JOIN lists l
      ON (l.license_type_id, l.currency, l.interval, l.priced_on)
         = (p.license_type_id, p.currency, p.interval, p.priced_on)
     AND l.owner IS NOT DISTINCT FROM p.owner
    CROSS JOIN LATERAL (
        SELECT l.effective_on = p.at::date AND l.earlier_id = p.price_list_id AS came_later
    ) new
)
"""

LISTS = f"""
WITH {_VALID}
SELECT v.account_id, 'price list of ' || v.what,
       coalesce('list ' || v.list_id || ' of ' || e.effective_on, 'none'),
       coalesce('list ' || v.price_list_id || ' of ' || f.effective_on, 'none')
FROM valid v
LEFT JOIN catalog_pricelist e ON e.id = v.list_id
LEFT JOIN catalog_pricelist f ON f.id = v.price_list_id
WHERE v.list_id IS DISTINCT FROM v.price_list_id
UNION ALL
SELECT s.account_id, 'price list of change ' || c.id, 'one of product ' || s.product_id,
       'one of product ' || t.product_id
FROM billing_quantitychange c
JOIN billing_subscription s ON s.id = c.subscription_id
JOIN catalog_pricelist p ON p.id = c.price_list_id
JOIN catalog_licensetype t ON t.id = p.license_type_id
WHERE t.product_id <> s.product_id
"""

# Q1: the tier is chosen by what the account held in its scope. What its other subscriptions held
# is known by the day, so between that day and the writing any of their quantities may have counted.
UNIT_PRICES = f"""
WITH {_VALID}, shared AS MATERIALIZED (
    SELECT s.account_id, t.tier_scope
    FROM billing_subscription s JOIN catalog_licensetype t ON t.id = s.license_type_id
    GROUP BY s.account_id, t.tier_scope HAVING count(*) > 1
), bounds AS (
    SELECT v.*, v.quantity + coalesce(others.least, 0) AS least,
           v.quantity + coalesce(others.most, 0) AS most
    FROM valid v
    JOIN catalog_licensetype t ON t.id = v.license_type_id
    LEFT JOIN shared ON (shared.account_id, shared.tier_scope) = (v.account_id, t.tier_scope)
    LEFT JOIN LATERAL (
        SELECT sum(CASE WHEN paid.at < v.priced_on
                         AND (o.ended_on IS NULL OR o.ended_on > v.at::date)
                        THEN least(held.before, held.least) ELSE 0 END) AS least,
               sum(greatest(held.before, held.most)) AS most
        FROM billing_subscription o
        JOIN catalog_licensetype x ON x.id = o.license_type_id AND x.tier_scope = t.tier_scope
        CROSS JOIN LATERAL (
            SELECT min(settled_at) AS at FROM billing_invoice
            WHERE subscription_id = o.id AND purpose = 'order'
        ) paid
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(delta) FILTER (WHERE "on" < v.priced_on), 0) AS before,
                   min(quantity_after) FILTER (WHERE "on" >= v.priced_on AND at <= v.at) AS least,
                   max(quantity_after) FILTER (WHERE "on" >= v.priced_on AND at <= v.at) AS most
            FROM billing_quantitychange WHERE subscription_id = o.id
        ) held
        WHERE o.account_id = shared.account_id AND o.id <> v.subscription_id AND paid.at <= v.at
          AND (o.ended_on IS NULL OR o.ended_on >= v.priced_on)
    ) others ON true
)
SELECT account_id, 'unit price of ' || what,
       dear.cents || CASE WHEN cheap.cents < dear.cents THEN ' or ' || cheap.cents ELSE '' END,
       unit_cents::text
FROM bounds b
CROSS JOIN LATERAL (
    SELECT unit_cents * b.months AS cents FROM catalog_pricetier
    WHERE price_list_id = b.list_id AND from_quantity <= b.least
    ORDER BY from_quantity DESC LIMIT 1
) dear
CROSS JOIN LATERAL (
    SELECT unit_cents * b.months AS cents FROM catalog_pricetier
    WHERE price_list_id = b.list_id AND from_quantity <= b.most
    ORDER BY from_quantity DESC LIMIT 1
) cheap
WHERE b.unit_cents NOT BETWEEN cheap.cents AND dear.cents
"""

# Q4, Q9: a renewal is for the units held at its boundary.
RENEWED_UNITS = """
WITH renewals AS (
    SELECT l.subscription_id, l.quantity, i.account_id, l.position, i.number,
           row_number() OVER (PARTITION BY l.subscription_id ORDER BY l.period) AS k
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.kind = 'recurring'
), held AS (
    SELECT subscription_id, period, sum(sum(delta)) OVER (
        PARTITION BY subscription_id ORDER BY period) AS units
    FROM billing_quantitychange GROUP BY subscription_id, period
)
SELECT r.account_id, 'units of line ' || r.position || ' of invoice ' || r.number,
       h.units, r.quantity::bigint
FROM renewals r CROSS JOIN LATERAL (
    SELECT units FROM held h
    WHERE h.subscription_id = r.subscription_id AND h.period < r.k
    ORDER BY h.period DESC LIMIT 1
) h
WHERE h.units <> r.quantity
"""

# Q5, Q7, Q8: what an addition is charged for begins with it, costs what it cost on that day, and
# ends with its removal, its period or its subscription. Its source is proration:<change>[:<its
# removal>]; :edition is the difference for units that came back after an upgrade (Q13).
_PRORATIONS = """
prorations AS MATERIALIZED (
    SELECT l.*, i.account_id, 'line ' || l.position || ' of invoice ' || i.number AS what,
           split_part(l.source, ':', 2)::bigint AS change_id,
           nullif(split_part(l.source, ':', 3), '') AS closing
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.kind = 'proration'
)
"""
ADDITIONS = f"""
WITH {_PRORATIONS}, figures AS (
    SELECT p.account_id, f.what || ' of ' || p.what AS what, f.expected, f.found
    FROM prorations p
    LEFT JOIN billing_quantitychange c ON c.id = p.change_id
    LEFT JOIN billing_quantitychange x
      ON p.closing <> 'edition' AND x.id = nullif(p.closing, 'edition')::bigint
    JOIN billing_subscription s ON s.id = p.subscription_id
    CROSS JOIN LATERAL (VALUES
        ('change', 'of subscription ' || p.subscription_id,
         'of subscription ' || c.subscription_id),
        ('first day', c."on"::text, lower(p.period)::text),
        ('unit price', CASE WHEN c.kind = 'add' AND p.closing IS DISTINCT FROM 'edition'
            THEN c.unit_cents ELSE p.unit_cents END::text, p.unit_cents::text),
        ('price list', 'list ' || c.price_list_id, 'list ' || p.price_list_id),
        ('last day', CASE WHEN x.id IS NULL OR upper(p.period) = s.ended_on
            THEN upper(p.period) ELSE x."on" END::text, upper(p.period)::text)
    ) AS f (what, expected, found)
    WHERE c.id IS NOT NULL OR f.what = 'change'
)
SELECT account_id, what, coalesce(expected, 'none'), coalesce(found, 'none') FROM figures
WHERE expected IS DISTINCT FROM found
UNION ALL
-- Where nothing was removed meanwhile, all units of an addition are charged once its period is
-- billed; where something was, at most those.
SELECT s.account_id, 'charged units of change ' || c.id || ' of subscription ' || s.id,
       CASE WHEN plain.period IS NULL THEN 'at most ' ELSE '' END || c.delta,
       coalesce(charged.units, 0)::bigint::text
FROM billing_quantitychange c
JOIN billing_subscription s ON s.id = c.subscription_id
LEFT JOIN (
    SELECT subscription_id, period FROM billing_quantitychange
    GROUP BY subscription_id, period
    HAVING bool_and(kind IN ('purchase', 'add', 'upgrade', 'downgrade'))
) plain ON plain.subscription_id = c.subscription_id AND plain.period = c.period
LEFT JOIN (
    SELECT change_id, sum(quantity) AS units FROM prorations
    WHERE closing IS DISTINCT FROM 'edition' GROUP BY change_id
) charged ON charged.change_id = c.id
WHERE c.kind = 'add' AND (
    charged.units > c.delta
    OR plain.period IS NOT NULL AND charged.units IS DISTINCT FROM c.delta
       AND (s.billed_periods > c.period OR s.status = 'ended' AND s.ended_on > c."on"))
"""

# S1, S2: a percentage of the unit price of the renewal or the month of usage, for servers of its
# licenses; of usage by their days, which a quantity of millionths tells. The source is
# surcharge:<code> or addon:<code>.
SURCHARGES = """
WITH surcharges AS (
    SELECT l.*, i.account_id, i.license_type_id,
           'line ' || l.position || ' of invoice ' || i.number AS what,
           split_part(l.source, ':', 2) AS code
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.kind IN ('surcharge', 'addon')
), figures AS (
    SELECT x.account_id, f.what || ' of ' || x.what AS what, f.expected, f.found
    FROM surcharges x
    JOIN catalog_licensetype t ON t.id = x.license_type_id
    JOIN catalog_product p ON p.id = t.product_id
    LEFT JOIN billing_invoiceline r ON r.invoice_id = x.invoice_id
         AND r.kind IN ('recurring', 'usage')
    LEFT JOIN LATERAL (
        SELECT percent FROM catalog_surchargerate
        WHERE code = x.code AND from_on <= lower(x.period) ORDER BY from_on DESC LIMIT 1
    ) dated ON true
    CROSS JOIN LATERAL (VALUES
        ('reason', CASE WHEN t.code = 'cloudlinux' THEN 'surcharge:els6'
            WHEN p.code = 'imunify360' THEN 'addon:imunify_email' ELSE 'none' END, x.source),
        ('period', r.period::text, x.period::text),
        ('unit price', r.unit_cents::text, x.unit_cents::text),
        ('price list', 'list ' || r.price_list_id, 'list ' || x.price_list_id),
        ('servers', CASE WHEN x.quantity > r.quantity THEN 'at most ' || r.quantity::bigint
            ELSE x.quantity::bigint::text END, x.quantity::bigint::text),
        ('amount', round(round(x.quantity * (upper(x.period) - lower(x.period))) * x.unit_cents
            * CASE x.source WHEN 'addon:imunify_email' THEN 10 ELSE coalesce(dated.percent, 0) END
            / (100 * (upper(x.period) - lower(x.period))))::bigint::text, x.amount_cents::text)
    ) AS f (what, expected, found)
)
SELECT account_id, what, coalesce(expected, 'none'), coalesce(found, 'none')
FROM figures WHERE expected IS DISTINCT FROM found
"""

CHECKS = (LISTS, UNIT_PRICES, RENEWED_UNITS, ADDITIONS, SURCHARGES)
