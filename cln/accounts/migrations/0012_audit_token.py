from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_unused_notice'),
    ]

    operations = [
        migrations.AddField(
            model_name='auditentry',
            name='token',
            field=models.CharField(blank=True, db_default='', max_length=20),
        ),
    ]
