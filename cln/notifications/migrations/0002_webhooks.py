"""Webhook endpoints, and the outbox rows that go to them."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_resellers'),
        ('notifications', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='message',
            name='response_status',
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.CreateModel(
            name='WebhookEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(max_length=40, unique=True)),
                ('url', models.CharField(max_length=250)),
                ('cipher', models.BinaryField()),
                ('last4', models.CharField(max_length=4)),
                ('events', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('created_at', models.DateTimeField()),
                ('failing_since', models.DateTimeField(blank=True, null=True)),
                ('disabled_at', models.DateTimeField(blank=True, null=True)),
                ('disabled_why', models.CharField(blank=True, max_length=200)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='webhooks', to='accounts.account')),
            ],
        ),
        migrations.AddField(
            model_name='message',
            name='endpoint',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='notifications.webhookendpoint'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('endpoint__isnull', False)), fields=['endpoint', '-id'], name='message_by_endpoint'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('endpoint', None), ('kind', 'email')), models.Q(('endpoint__isnull', False), ('kind', 'webhook')), _connector='OR'), name='message_webhook_has_endpoint'),
        ),
        migrations.AddIndex(
            model_name='webhookendpoint',
            index=models.Index(condition=models.Q(('disabled_at', None), ('removed_at', None)), fields=['account'], name='webhook_listening'),
        ),
        migrations.AddConstraint(
            model_name='webhookendpoint',
            constraint=models.CheckConstraint(condition=models.Q(('events__len__gt', 0)), name='webhook_has_events'),
        ),
    ]
