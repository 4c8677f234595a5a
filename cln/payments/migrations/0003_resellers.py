"""Due columns of autopay and of refunds without an answer; what the sandbox gave back (R4, P10)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_resellers'),
        ('billing', '0003_resellers'),
        ('payments', '0002_defences'),
    ]

    operations = [
        migrations.CreateModel(
            name='SandboxRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(max_length=200, unique=True)),
                ('amount_cents', models.BigIntegerField()),
                ('at', models.DateTimeField()),
            ],
        ),
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
        migrations.AddField(
            model_name='sandboxrefund',
            name='charge',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refunds', to='payments.sandboxcharge'),
        ),
    ]
