"""Due columns of autopay and of refunds without an answer (R4, P10)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_resellers'),
        ('billing', '0003_resellers'),
        ('payments', '0003_gateway_charge'),
    ]

    operations = [
        migrations.AddField(
            model_name='refund',
            name='resolve_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name='autopayrulerow',
            index=models.Index(condition=models.Q(('next_try_at__isnull', False)), fields=['next_try_at'], name='autopay_due'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(condition=models.Q(('resolve_at__isnull', False)), fields=['resolve_at'], name='refund_resolve_due'),
        ),
    ]
