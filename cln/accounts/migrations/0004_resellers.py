"""Resellers are billed by the month, and begin with a deposit (R1, R2)."""

import cln.domain.autopay
import cln.enums
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


EXISTING = """
-- Whoever is a reseller already is billed from the month the account was made in.
UPDATE accounts_account
    SET next_usage_on = (date_trunc('month', created_at AT TIME ZONE 'UTC') + interval '1 month')::date
    WHERE kind = 'reseller';
-- Nothing ever read the floor, so no reseller has been given one.
UPDATE accounts_account SET floor_cents = NULL WHERE floor_cents = 0;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_shared_cache'),
    ]

    operations = [
        migrations.CreateModel(
            name='DepositOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(max_length=40, unique=True)),
                ('customer', models.CharField(max_length=40)),
                ('email', models.EmailField(blank=True, max_length=254)),
                ('username', models.CharField(blank=True, max_length=150)),
                ('password', models.CharField(blank=True, max_length=256)),
                ('person', models.JSONField(default=dict)),
                ('amount_cents', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('agreement_version', models.CharField(max_length=40)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('autopay_mode', models.CharField(default=cln.domain.autopay.AutopayMode['REPAY'], max_length=10)),
                ('autopay_target_cents', models.BigIntegerField(default=0)),
                ('method_kind', models.CharField(max_length=10)),
                ('gateway', models.CharField(max_length=20)),
                ('gateway_charge', models.CharField(blank=True, default='', max_length=200)),
                ('token', models.CharField(max_length=200)),
                ('label', models.CharField(max_length=80)),
                ('expires_on', models.DateField(blank=True, null=True)),
                ('state', models.CharField(default=cln.enums.AttemptState['OPEN'], max_length=10)),
                ('decline_code', models.CharField(blank=True, max_length=30)),
                ('actor', models.CharField(max_length=150)),
                ('created_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('resolve_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name='account',
            name='negative_remind_on',
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='account',
            name='next_usage_on',
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='account',
            name='floor_cents',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.RunSQL(EXISTING, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='account',
            index=models.Index(condition=models.Q(('next_usage_on__isnull', False)), fields=['next_usage_on'], name='account_usage_due'),
        ),
        migrations.AddIndex(
            model_name='account',
            index=models.Index(condition=models.Q(('negative_remind_on__isnull', False)), fields=['negative_remind_on'], name='account_negative_reminder_due'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'customer'), ('next_usage_on__isnull', True)), models.Q(('kind', 'reseller'), ('next_usage_on__isnull', False)), _connector='OR'), name='account_reseller_is_billed_by_usage'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('next_usage_on__isnull', True), ('next_usage_on__day', 1), _connector='OR'), name='account_usage_on_the_first'),
        ),
        migrations.AddField(
            model_name='depositorder',
            name='account',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deposit_orders', to='accounts.account'),
        ),
        migrations.AddIndex(
            model_name='depositorder',
            index=models.Index(condition=models.Q(('resolve_at__isnull', False)), fields=['resolve_at'], name='deposit_order_resolve_due'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['open', 'unknown', 'pending', 'succeeded', 'declined', 'abandoned'])), name='deposit_order_state'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.CheckConstraint(condition=models.Q(('autopay_mode__in', ['add_funds', 'repay', 'off'])), name='deposit_order_autopay_mode'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.CheckConstraint(condition=models.Q(('method_kind__in', ['card', 'paypal'])), name='deposit_order_method_kind'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.CheckConstraint(condition=models.Q(('decline_code', ''), ('decline_code__in', ['expired_card', 'card_not_confirmed', 'agreement_cancelled', 'issuer_declined', 'lost_or_stolen', 'insufficient_funds', 'inactive_card', 'technical_problem']), _connector='OR'), name='deposit_order_decline_code'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.CheckConstraint(condition=models.Q(('amount_cents__gt', 0)), name='deposit_order_positive'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['open', 'unknown', 'pending'])), fields=('account',), name='deposit_order_one_per_account'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), condition=models.Q(('state__in', ['open', 'unknown', 'pending']), models.Q(('email', ''), _negated=True)), name='deposit_order_one_per_email'),
        ),
        migrations.AddConstraint(
            model_name='depositorder',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('username'), condition=models.Q(('state__in', ['open', 'unknown', 'pending']), models.Q(('username', ''), _negated=True)), name='deposit_order_one_per_login'),
        ),
    ]
