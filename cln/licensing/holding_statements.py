"""What a reseller holds in a month, as the database counts and lists it (`holding_sums`).

Values: `account`, the month's `start` and `end`; where only what has Imunify Email is meant, its
`types`, `keys`, `decided` (keys that say no), `servers` and `ip_licenses`; for lists a `type`, a
`count`, and until which day its servers are `paid` or none. A list holds what is held for a day.
"""

from typing import Final

# An address has one license of a type at a time: its days add up, none of them twice. What is held
# from before the month is held from its first day, so that many are counted together.
_GIVEN_BACK: Final = """
WITH gone AS (
    SELECT license_type_id, address,
        sum(removed_on - greatest(added_on, %(start)s::date)) AS earlier
    FROM licensing_iplicense
    WHERE account_id = %(account)s AND removed_on > %(start)s::date AND added_on < %(end)s::date
      {which}
    GROUP BY 1, 2
), held AS NOT MATERIALIZED (
    SELECT license_type_id, address, added_on FROM licensing_iplicense
    WHERE account_id = %(account)s AND removed_at IS NULL AND removed_on IS NULL
      AND added_on < %(end)s::date {which}
), given_back AS (
    SELECT license_type_id, address, earlier,
        CASE WHEN added_on IS NOT NULL THEN greatest(added_on, %(start)s::date) END AS held_from
    FROM gone LEFT JOIN held USING (license_type_id, address)
)"""
_FIRST_DAY: Final = "coalesce(seat_since, (registered_at AT TIME ZONE 'UTC')::date)"
_LAST_DAY: Final = "(removed_at AT TIME ZONE 'UTC')::date"
_REMOVED: Final = """
FROM licensing_server AS gone
WHERE account_id = %(account)s AND status <> 'active' AND takes_seat AND supersedes_id IS NULL
  AND removed_at >= (%(start)s::date + 1)::timestamp AT TIME ZONE 'UTC'
  AND registered_at < %(end)s::date::timestamp AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT FROM licensing_server AS later WHERE later.supersedes_id = gone.id)
  AND NOT EXISTS (SELECT FROM licensing_seatspan AS earlier
    WHERE earlier.server_id = gone.id AND earlier.until_on > %(start)s::date)"""
# Nearly all addresses are from before the month: grouped by type alone, they are counted in index
# order. The columns are those of `holding_sums._Alike`.
COUNTED: Final = f"""{_GIVEN_BACK}
SELECT false, license_type_id, %(start)s::date AS held_from, NULL::date, 0, count(*)
FROM licensing_iplicense
WHERE account_id = %(account)s AND removed_on IS NULL AND added_on <= %(start)s::date {{which}}
GROUP BY 2
UNION ALL
SELECT false, license_type_id, added_on, NULL, 0, count(*)
FROM licensing_iplicense
WHERE account_id = %(account)s AND removed_on IS NULL
  AND added_on > %(start)s::date AND added_on < %(end)s::date {{which}}
GROUP BY 2, 3
UNION ALL
SELECT false, license_type_id, held_from, NULL, earlier, count(*)
FROM given_back
GROUP BY 2, 3, 5
UNION ALL
SELECT false, license_type_id, held_from, NULL, 0, -count(*)
FROM given_back
WHERE held_from IS NOT NULL
GROUP BY 2, 3
UNION ALL
SELECT true, license_type_id, greatest({_FIRST_DAY}, %(start)s::date), NULL, 0, count(*)
FROM licensing_server
WHERE account_id = %(account)s AND status = 'active' AND takes_seat
  AND registered_at < %(end)s::date::timestamp AT TIME ZONE 'UTC' {{which_servers}}
GROUP BY 2, 3
UNION ALL
SELECT true, license_type_id, greatest({_FIRST_DAY}, %(start)s::date), {_LAST_DAY}, 0, count(*)
{_REMOVED} {{which_servers}}
GROUP BY 2, 3, 4"""
EMAILING: Final = (
    """
  AND license_type_id = ANY(%(types)s::bigint[]) AND id = ANY(%(ip_licenses)s::bigint[])""",
    """
  AND license_type_id = ANY(%(types)s::bigint[])
  AND (key_id = ANY(%(keys)s::bigint[]) OR (id = ANY(%(servers)s::bigint[])
    AND (key_id IS NULL OR key_id <> ALL(%(decided)s::bigint[]))))""",
)
"""The conditions `which` and `which_servers` on what has Imunify Email; empty for all."""
FIRST_ADDRESSES: Final = """
SELECT host(address), added_on FROM licensing_iplicense
WHERE account_id = %(account)s AND license_type_id = %(type)s AND removed_on IS NULL
  AND added_on < %(end)s
ORDER BY host(address) COLLATE "C" LIMIT %(count)s"""
FIRST_GIVEN_BACK: Final = f"""{_GIVEN_BACK.format(which="AND license_type_id = %(type)s")}
SELECT host(address) COLLATE "C" AS name, held_from, earlier
FROM given_back
WHERE earlier > 0 OR held_from IS NOT NULL
ORDER BY name LIMIT %(count)s"""
FIRST_SERVERS: Final = f"""
SELECT id, hostname, host(address), {_FIRST_DAY}, NULL FROM licensing_server
WHERE account_id = %(account)s AND license_type_id = %(type)s AND status = 'active' AND takes_seat
ORDER BY id LIMIT %(count)s"""
FIRST_REMOVED: Final = f"""
SELECT id, hostname, host(address), {_FIRST_DAY}, {_LAST_DAY}
{_REMOVED} AND license_type_id = %(type)s
  AND {_LAST_DAY} > greatest({_FIRST_DAY}, %(start)s::date, %(paid)s::date)
ORDER BY id LIMIT %(count)s"""
