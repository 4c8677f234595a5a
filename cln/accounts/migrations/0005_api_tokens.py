"""API tokens, answered API requests, and the rate limits' table: unlogged, worth no WAL."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


CREATE_RATE = """
CREATE UNLOGGED TABLE api_rate (
    subject text PRIMARY KEY,
    spread_until double precision NOT NULL
) WITH (fillfactor = 50);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_resellers'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=100)),
                ('input_hash', models.CharField(max_length=64)),
                ('claimed_at', models.DateTimeField()),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('cipher', models.BinaryField(null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.account')),
            ],
            options={
                'indexes': [models.Index(fields=['claimed_at'], name='api_request_by_age')],
                'constraints': [models.UniqueConstraint(fields=('account', 'key'), name='api_request_key_unique'), models.CheckConstraint(condition=models.Q(models.Q(('cipher', None), ('status', None)), models.Q(('cipher__isnull', False), ('status__isnull', False)), _connector='OR'), name='api_request_answered_whole')],
            },
        ),
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=60)),
                ('token_hash', models.BinaryField(max_length=32)),
                ('last4', models.CharField(max_length=4)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=30), size=None)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='api_tokens', to='accounts.account')),
                ('login', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='api_tokens', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['account', '-id'], name='api_token_by_account')],
                'constraints': [models.UniqueConstraint(fields=('token_hash',), name='api_token_hash_unique'), models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='api_token_expires_later'), models.CheckConstraint(condition=models.Q(('scopes__len__gt', 0)), name='api_token_has_scopes')],
            },
        ),
        migrations.RunSQL(CREATE_RATE, "DROP TABLE api_rate;"),
    ]
