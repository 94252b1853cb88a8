from django.db import migrations, models

from core.indexes import BuildIndex, DropIndex


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('chain', '0002_batches_providers_and_contracts'),
    ]

    operations = [
        BuildIndex(
            model_name='call',
            index=models.Index(fields=['group', 'network'], name='calls_of_group'),
        ),
        DropIndex(model_name='call', name='call_group'),
    ]
