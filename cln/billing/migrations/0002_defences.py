"""Database defences of the books (architecture §5): what no code path can do, however wrong."""

from django.db import migrations

DEFENCES = """
-- A period is billed once (needs btree_gist, created by 0001).
ALTER TABLE billing_invoiceline ADD CONSTRAINT invoice_line_billed_once
    UNIQUE (subscription_id, source, period WITHOUT OVERLAPS);

-- History is appended.
CREATE TRIGGER quantity_change_append_only BEFORE UPDATE OR DELETE ON billing_quantitychange
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
CREATE TRIGGER invoice_line_append_only BEFORE UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
CREATE TRIGGER credit_note_append_only BEFORE UPDATE OR DELETE ON billing_creditnote
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
CREATE TRIGGER credit_note_line_append_only BEFORE UPDATE OR DELETE ON billing_creditnoteline
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON billing_transfer
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();

-- An issued invoice keeps its figures; only its state and its due columns move.
CREATE FUNCTION cln_invoice_is_issued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'invoice % was issued: it is never deleted', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.public_id, OLD.series_id, OLD.account_id, OLD.subscription_id, OLD.license_type_id, OLD.number, OLD.purpose,
        OLD.currency, OLD.issued_at, OLD.issued_on, OLD.due_on, OLD.net_cents, OLD.tax_cents,
        OLD.total_cents, OLD.bill_to)
       IS DISTINCT FROM
       (NEW.public_id, NEW.series_id, NEW.account_id, NEW.subscription_id, NEW.license_type_id, NEW.number, NEW.purpose,
        NEW.currency, NEW.issued_at, NEW.issued_on, NEW.due_on, NEW.net_cents, NEW.tax_cents,
        NEW.total_cents, NEW.bill_to)
    THEN
        RAISE EXCEPTION 'invoice % was issued: its figures are history', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoice_is_issued BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION cln_invoice_is_issued();

-- The anchor of a subscription is immutable (M2).
CREATE FUNCTION cln_anchor_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the anchor of subscription % is immutable', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER subscription_anchor_is_immutable BEFORE UPDATE ON billing_subscription
    FOR EACH ROW WHEN (OLD.anchor IS DISTINCT FROM NEW.anchor OR OLD.interval <> NEW.interval)
    EXECUTE FUNCTION cln_anchor_is_immutable();

-- At commit, an invoice is the sum of its lines: net of all but tax lines, tax of the tax lines.
CREATE FUNCTION cln_check_invoice_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted billing_invoice%ROWTYPE;
    net bigint;
    tax bigint;
BEGIN
    IF TG_TABLE_NAME = 'billing_invoice' THEN
        wanted := NEW;
    ELSE
        SELECT * INTO wanted FROM billing_invoice WHERE id = NEW.invoice_id;
    END IF;
    SELECT coalesce(sum(amount_cents) FILTER (WHERE kind <> 'tax'), 0),
           coalesce(sum(amount_cents) FILTER (WHERE kind = 'tax'), 0)
        INTO net, tax FROM billing_invoiceline WHERE invoice_id = wanted.id;
    IF (net, tax) IS DISTINCT FROM (wanted.net_cents, wanted.tax_cents) THEN
        RAISE EXCEPTION 'invoice % says net % tax %, its lines say % and %',
            wanted.number, wanted.net_cents, wanted.tax_cents, net, tax
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER invoice_is_the_sum_of_its_lines AFTER INSERT ON billing_invoice
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cln_check_invoice_sum();
CREATE CONSTRAINT TRIGGER lines_sum_to_their_invoice AFTER INSERT ON billing_invoiceline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cln_check_invoice_sum();

-- Never more credit than the line, whoever writes it.
CREATE FUNCTION cln_check_credit_within_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line billing_invoiceline%ROWTYPE;
    credited bigint;
BEGIN
    SELECT * INTO line FROM billing_invoiceline WHERE id = NEW.invoice_line_id
        FOR NO KEY UPDATE;
    SELECT sum(amount_cents) INTO credited FROM billing_creditnoteline
        WHERE invoice_line_id = NEW.invoice_line_id;
    IF credited > line.amount_cents THEN
        RAISE EXCEPTION 'credits of % cents exceed the line of %', credited, line.amount_cents
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER credit_within_line AFTER INSERT ON billing_creditnoteline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cln_check_credit_within_line();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("accounts", "0002_defences")]
    operations = [migrations.RunSQL(DEFENCES, migrations.RunSQL.noop)]
