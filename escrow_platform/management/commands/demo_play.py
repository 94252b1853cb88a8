"""Play the demo's deals."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import DomainError
from escrow_platform.demo import play
from escrow_platform.demo.ground import only_where_nothing_is_real


class Command(BaseCommand):
    help = "Play the demo's deals with real transactions; what was played before is kept."

    def handle(self, *args: Any, **options: Any) -> None:
        only_where_nothing_is_real()
        try:
            play.play(self.stdout.write)
        except (play.DemoFailed, DomainError) as error:
            raise CommandError(str(error)) from error
