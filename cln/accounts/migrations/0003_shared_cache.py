"""The cache that all web processes share (rate limits): unlogged, nothing in it is worth a WAL."""

from django.db import migrations

CREATE = """
CREATE UNLOGGED TABLE shared_cache (
    cache_key varchar(255) PRIMARY KEY,
    value text NOT NULL,
    expires timestamptz NOT NULL
);
CREATE INDEX shared_cache_expires ON shared_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_defences")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE shared_cache;")]
