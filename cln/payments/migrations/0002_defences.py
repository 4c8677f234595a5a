"""Database defences of payments: money is never allocated or given back twice."""

from django.db import migrations

DEFENCES = """
CREATE TRIGGER payment_append_only BEFORE UPDATE OR DELETE ON payments_payment
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
CREATE TRIGGER allocation_append_only BEFORE UPDATE OR DELETE ON payments_allocation
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();

-- Σ allocations ≤ payment (P9). The payment row is locked so that two
-- writers queue up; not stronger than that, or it would deadlock with the foreign keys' own locks.
CREATE FUNCTION cln_check_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    received bigint;
    allocated bigint;
BEGIN
    IF NEW.payment_id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT amount_cents INTO received FROM payments_payment WHERE id = NEW.payment_id
        FOR NO KEY UPDATE;
    SELECT sum(amount_cents) INTO allocated FROM payments_allocation
        WHERE payment_id = NEW.payment_id;
    IF allocated > received THEN
        RAISE EXCEPTION 'allocations of % cents exceed the payment of %', allocated, received
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER allocations_within_payment AFTER INSERT ON payments_allocation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cln_check_allocations();

-- Σ refunds that may still succeed ≤ payment (P10).
CREATE FUNCTION cln_check_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    received bigint;
    refunded bigint;
BEGIN
    SELECT amount_cents INTO received FROM payments_payment WHERE id = NEW.payment_id
        FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount_cents), 0) INTO refunded FROM payments_refund
        WHERE payment_id = NEW.payment_id AND state NOT IN ('declined', 'abandoned');
    IF refunded > received THEN
        RAISE EXCEPTION 'refunds of % cents exceed the payment of %', refunded, received
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refunds_within_payment AFTER INSERT OR UPDATE ON payments_refund
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cln_check_refunds();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("billing", "0002_defences")]
    operations = [migrations.RunSQL(DEFENCES, migrations.RunSQL.noop)]
