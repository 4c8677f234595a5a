"""Invoices keep who sold and what is said of their tax; a currency is fixed once it was used."""

from django.db import migrations, models


DEFENCES = """
-- Who sold, and what was said about the tax, is as immutable as the figures.
CREATE TRIGGER invoice_seller_is_history BEFORE UPDATE ON billing_invoice
    FOR EACH ROW WHEN (OLD.seller IS DISTINCT FROM NEW.seller OR OLD.tax_note IS DISTINCT FROM NEW.tax_note)
    EXECUTE FUNCTION cln_append_only();

-- Amounts of two currencies never meet in one account's books.
CREATE FUNCTION cln_currency_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM billing_transfer WHERE account_id = OLD.id)
       OR EXISTS (SELECT FROM billing_subscription WHERE account_id = OLD.id) THEN
        RAISE EXCEPTION 'account % has been billed in %: its currency stays', OLD.public_id, OLD.currency
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_currency_is_fixed BEFORE UPDATE ON accounts_account
    FOR EACH ROW WHEN (OLD.currency IS DISTINCT FROM NEW.currency)
    EXECUTE FUNCTION cln_currency_is_fixed();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_resellers'),
        ('billing', '0003_resellers'),
    ]

    operations = [
        migrations.AddField(
            model_name='invoice',
            name='seller',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='invoice',
            name='tax_note',
            field=models.CharField(blank=True, default='', max_length=200),
        ),
        migrations.RunSQL(DEFENCES, migrations.RunSQL.noop),
    ]
