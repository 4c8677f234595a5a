"""Database defences: the audit log is append-only.

`cln_append_only` is shared by the other contexts' migrations.
"""

from django.db import migrations

APPEND_ONLY = """
CREATE FUNCTION cln_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are history: they are appended, never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
"""

UNDO = """
DROP TRIGGER audit_append_only ON accounts_auditentry;
DROP FUNCTION cln_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(APPEND_ONLY, UNDO)]
