from typing import ClassVar

from django.db import migrations, models

import core.fields


class Migration(migrations.Migration):
    dependencies: ClassVar = [("chain", "0003_calls_of_a_group")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="token",
            name="least_amount",
            field=core.fields.BaseUnitsField(
                decimal_places=0,
                default=1,
                help_text="base units; while less than this has come nothing is spent, blocked or consumed: it waits",
                max_digits=78,
            ),
        ),
        migrations.AddField(
            model_name="token",
            name="least_surplus",
            field=core.fields.BaseUnitsField(
                decimal_places=0,
                default=1,
                help_text="base units of surplus that are worth the gas of sending them back",
                max_digits=78,
            ),
        ),
        # A hundredth of the token, at most the smallest escrow; what was sent back so far goes on being sent
        # back. One statement: a row changed twice has its foreign keys checked at the end, and until then no
        # constraint can be added to its table.
        migrations.RunSQL(
            "UPDATE chain_token SET least_amount = least(greatest(1, trunc(power(10::numeric, decimals) / 100)),"
            " greatest(1, min_amount)), least_surplus = greatest(1, min_amount)",
            migrations.RunSQL.noop,
        ),
        migrations.AddConstraint(
            model_name="token",
            constraint=models.CheckConstraint(
                condition=models.Q(("least_amount__gte", 1), ("least_surplus__gte", models.F("least_amount"))),
                name="token_least_amounts_in_order",
            ),
        ),
    ]
