import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='LongRound',
            fields=[
                ('name', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('after', models.CharField(blank=True, default='', help_text='the last key done; empty between rounds', max_length=80)),
                ('began_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='when a whole round was last done; at first, since when it is known')),
            ],
        ),
        # Those of test deals are marked in payments, which knows them.
        migrations.AddField(
            model_name='outboxevent',
            name='livemode',
            field=models.BooleanField(default=True),
        ),
    ]
