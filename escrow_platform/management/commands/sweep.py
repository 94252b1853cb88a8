"""Do all due work without Celery."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core import rights
from escrow_platform.sweep import sweep_once


class Command(BaseCommand):
    help = "Do every kind of due work that the database holds, without Celery."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--forever", action="store_true", help="go on until interrupted")
        parser.add_argument("--pause", type=float, default=1.0, help="seconds between two rounds")

    def handle(self, *args: Any, forever: bool, pause: float, **options: Any) -> None:
        rights.require_plain_role()
        while True:
            worked = sweep_once()
            if not forever:
                self.stdout.write("worked" if worked else "nothing was due")
                return
            time.sleep(pause)
