import django.db.models.deletion
import pgtrigger
from django.db import migrations, models

from core.indexes import BuildIndex, DropFieldIndex, DropIndex
from core.rights import unguarded

AT_ONCE = 200


def mark_events_of_test_deals(apps, schema_editor):
    """What test deals told before their events carried the mode; a portion at a time, and safe to repeat."""
    Deal = apps.get_model('payments', 'Deal')
    after = ''
    while deals := list(
        Deal.objects.filter(livemode=False, pk__gt=after).order_by('pk').values_list('pk', flat=True)[:AT_ONCE]
    ):
        # The rows are append-only for everything but this.
        with unguarded('core_outboxevent', 'no_update'), schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "UPDATE core_outboxevent SET livemode = false"
                " WHERE group_id = ANY(%s) AND group_id <> '' AND livemode",
                [deals],
            )
        after = deals[-1]


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('core', '0003_events_of_a_key_and_console_lists'),
        ('chain', '0003_calls_of_a_group'),
        ('partners', '0001_initial'),
        ('payments', '0003_approvals_and_dead_terms'),
    ]

    operations = [
        migrations.RunPython(mark_events_of_test_deals, migrations.RunPython.noop, atomic=False),
        BuildIndex(
            model_name='deal',
            index=models.Index(fields=['partner', 'livemode', '-created', '-id'], name='deals_of_partner_in_mode'),
        ),
        BuildIndex(
            model_name='deal',
            index=models.Index(fields=['state', 'id'], name='deals_by_state'),
        ),
        BuildIndex(
            model_name='deal',
            index=models.Index(condition=models.Q(('external_reference', ''), _negated=True), fields=['external_reference'], name='deals_by_reference'),
        ),
        DropIndex(model_name='deal', name='deals_of_partner'),
        DropFieldIndex(
            model_name='deal',
            name='partner',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deals', to='partners.partner'),
        ),
        BuildIndex(
            model_name='deposit',
            index=models.Index(fields=['tx_hash'], name='deposits_by_transaction'),
        ),
        BuildIndex(
            model_name='escrow',
            index=models.Index(fields=['created', 'id'], name='escrows_by_age'),
        ),
        BuildIndex(
            model_name='escrow',
            index=models.Index(fields=['state', 'id'], name='escrows_by_state'),
        ),
        BuildIndex(
            model_name='escrow',
            index=models.Index(condition=models.Q(('frozen', True)), fields=['id'], name='escrows_frozen'),
        ),
        BuildIndex(
            model_name='escrow',
            index=models.Index(condition=models.Q(('vault_address', ''), _negated=True), fields=['vault_address'], name='escrows_by_vault'),
        ),
        BuildIndex(
            model_name='journal',
            index=models.Index(fields=['tx_hash'], name='journals_by_transaction'),
        ),
        BuildIndex(
            model_name='order',
            index=models.Index(fields=['state', 'id'], name='orders_by_state'),
        ),
        BuildIndex(
            model_name='party',
            index=models.Index(condition=models.Q(('email', ''), _negated=True), fields=['email'], name='parties_by_email'),
        ),
        BuildIndex(
            model_name='payoutleg',
            index=models.Index(fields=['state', 'id'], name='legs_by_state'),
        ),
        BuildIndex(
            model_name='payoutleg',
            index=models.Index(condition=models.Q(('tx_hash', ''), _negated=True), fields=['tx_hash'], name='legs_by_transaction'),
        ),
        BuildIndex(
            model_name='payoutleg',
            index=models.Index(fields=['recipient', 'id'], name='legs_by_recipient'),
        ),
    ]
