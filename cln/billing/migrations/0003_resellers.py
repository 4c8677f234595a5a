"""Usage invoices: one per license type and month, with a statement per license (R2)."""

import django.db.models.deletion
from django.db import migrations, models


DEFENCES = """
CREATE TRIGGER usage_share_append_only BEFORE UPDATE OR DELETE ON billing_usageshare
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();

-- Which month a usage invoice bills is as immutable as its figures.
CREATE TRIGGER invoice_usage_month_is_history BEFORE UPDATE ON billing_invoice
    FOR EACH ROW WHEN (OLD.usage_month IS DISTINCT FROM NEW.usage_month)
    EXECUTE FUNCTION cln_append_only();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_resellers'),
        ('billing', '0002_defences'),
        ('catalog', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageShare',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('name', models.CharField(max_length=300)),
                ('days', models.PositiveSmallIntegerField()),
                ('quantity', models.DecimalField(decimal_places=6, max_digits=18)),
                ('amount_cents', models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='invoice',
            name='usage_month',
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.UniqueConstraint(fields=('account', 'license_type', 'usage_month'), name='invoice_one_per_usage_month'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('purpose', 'usage'), ('usage_month__day', 1), ('usage_month__isnull', False)), models.Q(models.Q(('purpose', 'usage'), _negated=True), ('usage_month__isnull', True)), _connector='OR'), name='invoice_usage_has_a_month'),
        ),
        migrations.AddField(
            model_name='usageshare',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='billing.invoice'),
        ),
        migrations.AddConstraint(
            model_name='usageshare',
            constraint=models.UniqueConstraint(fields=('invoice', 'position'), name='usage_share_position'),
        ),
        migrations.RunSQL(DEFENCES, migrations.RunSQL.noop),
    ]
