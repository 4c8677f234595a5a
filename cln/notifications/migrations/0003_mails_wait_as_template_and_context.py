"""A mail waits as its template and context; what was queued before keeps its text."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_webhooks")]

    operations = [
        migrations.AddField(
            model_name="message", name="context", field=models.JSONField(default=dict)
        ),
        migrations.AlterField(
            model_name="message",
            name="subject",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AlterField(
            model_name="message", name="body", field=models.TextField(blank=True)
        ),
    ]
