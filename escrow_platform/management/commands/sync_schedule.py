"""Write the schedule of periodic duties into the database."""

from typing import Any

from django.core.management.base import BaseCommand

from escrow_platform import schedule


class Command(BaseCommand):
    help = "Write the schedule of periodic duties into the database (beat does it by itself when it starts)."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{schedule.sync()} duties changed")
