"""Which days a server took a seat of which license type, also before it was converted (R8)."""

import django.db.models.deletion
from django.db import migrations, models


DEFENCES = """
CREATE TRIGGER seat_span_append_only BEFORE UPDATE OR DELETE ON licensing_seatspan
    FOR EACH ROW EXECUTE FUNCTION cln_append_only();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
        ('accounts', '0004_resellers'),
        ('licensing', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='server',
            name='seat_since',
            field=models.DateField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name='SeatSpan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_on', models.DateField()),
                ('until_on', models.DateField()),
                ('license_type', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.licensetype')),
                ('server', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='seat_spans', to='licensing.server')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('from_on__lt', models.F('until_on'))), name='seat_span_has_days')],
            },
        ),
        migrations.RunSQL(DEFENCES, migrations.RunSQL.noop),
    ]
