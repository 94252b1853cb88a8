from django.db import migrations, models

from core.indexes import BuildIndex


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('payments', '0005_incidents'),
    ]

    operations = [
        BuildIndex(
            model_name='party',
            index=models.Index(
                fields=['address'], condition=models.Q(('address', ''), _negated=True), name='parties_by_address'
            ),
        ),
    ]
