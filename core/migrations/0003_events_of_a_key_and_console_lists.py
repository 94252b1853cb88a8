from django.db import migrations, models

from core.indexes import BuildIndex, DropIndex


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('core', '0002_long_rounds_and_modes_of_events'),
    ]

    operations = [
        BuildIndex(
            model_name='outboxevent',
            index=models.Index(condition=models.Q(('owner_id', ''), _negated=True), fields=['owner_id', 'livemode', '-created', '-id'], name='outbox_of_owner'),
        ),
        BuildIndex(
            model_name='outboxevent',
            index=models.Index(condition=models.Q(('owner_id', ''), _negated=True), fields=['owner_id', 'livemode', 'type', '-created', '-id'], name='outbox_of_owner_by_type'),
        ),
        DropIndex(model_name='outboxevent', name='outbox_by_owner'),
        BuildIndex(
            model_name='deadline',
            index=models.Index(fields=['state', 'next_try_at'], name='deadlines_by_state'),
        ),
        BuildIndex(
            model_name='auditentry',
            index=models.Index(fields=['actor_id', 'id'], name='audit_by_actor'),
        ),
        BuildIndex(
            model_name='auditentry',
            index=models.Index(fields=['actor_label', 'id'], name='audit_by_label'),
        ),
        BuildIndex(
            model_name='auditentry',
            index=models.Index(fields=['action', 'id'], name='audit_by_action'),
        ),
    ]
