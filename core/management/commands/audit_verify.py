"""Follow the audit log's chain of hashes from its first entry to its last."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import audit
from core.models import AuditEntry


class Command(BaseCommand):
    help = "Follow the audit log's chain of hashes; fails and names the entries that do not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect", default="", metavar="NEWEST", help="what an earlier run called the newest entry"
        )

    def handle(self, *args: Any, expect: str, **options: Any) -> None:
        broken: list[int] = []
        after: str | None = ""
        while after is not None:
            after = audit.follow(after, lambda entry: broken.append(entry.pk))
        if expect and not audit.still_there(expect):
            raise CommandError(f"The entry {expect} is not in the audit log any more: its end was cut off.")
        if broken:
            raise CommandError(
                f"The audit log was changed: {len(broken)} entries do not follow the one before them, first "
                f"{', '.join(map(str, broken[:10]))}. Keep this database as it is and compare with a backup."
            )
        self.stdout.write(f"{AuditEntry.objects.count()} entries, each follows the one before it.")
        self.stdout.write(f"Newest entry {audit.tip()}. Keep it elsewhere and give it to --expect next time.")
