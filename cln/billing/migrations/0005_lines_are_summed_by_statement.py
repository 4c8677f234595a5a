"""Lines are held to their invoice's figures once for each statement that inserts some.

Checking at commit, once for each line, read every invoice as often as it has lines. A statement
that adds lines is now checked when it ends; an invoice is still checked at commit, so lines that
are written before their invoice, or never, are found there.
"""

from django.db import migrations

BY_STATEMENT = """
DROP TRIGGER lines_sum_to_their_invoice ON billing_invoiceline;

CREATE FUNCTION cln_check_line_sums() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    SELECT i.number, i.net_cents, i.tax_cents, s.net, s.tax INTO wrong
    FROM (
        SELECT invoice_id,
               coalesce(sum(amount_cents) FILTER (WHERE kind <> 'tax'), 0) AS net,
               coalesce(sum(amount_cents) FILTER (WHERE kind = 'tax'), 0) AS tax
        FROM billing_invoiceline WHERE invoice_id IN (
            SELECT a.invoice_id FROM added a JOIN billing_invoice b ON b.id = a.invoice_id)
        GROUP BY invoice_id
    ) s JOIN billing_invoice i ON i.id = s.invoice_id
    WHERE (s.net, s.tax) IS DISTINCT FROM (i.net_cents, i.tax_cents)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'invoice % says net % tax %, its lines say % and %',
            wrong.number, wrong.net_cents, wrong.tax_cents, wrong.net, wrong.tax
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lines_sum_to_their_invoice AFTER INSERT ON billing_invoiceline
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION cln_check_line_sums();

-- Called for invoices only from now on.
CREATE OR REPLACE FUNCTION cln_check_invoice_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    net bigint;
    tax bigint;
BEGIN
    SELECT coalesce(sum(amount_cents) FILTER (WHERE kind <> 'tax'), 0),
           coalesce(sum(amount_cents) FILTER (WHERE kind = 'tax'), 0)
        INTO net, tax FROM billing_invoiceline WHERE invoice_id = NEW.id;
    IF (net, tax) IS DISTINCT FROM (NEW.net_cents, NEW.tax_cents) THEN
        RAISE EXCEPTION 'invoice % says net % tax %, its lines say % and %',
            NEW.number, NEW.net_cents, NEW.tax_cents, net, tax
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_documents")]
    operations = [migrations.RunSQL(BY_STATEMENT, migrations.RunSQL.noop)]
