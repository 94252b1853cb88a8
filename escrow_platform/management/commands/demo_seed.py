"""Make the demo's people, seats and partner."""

from typing import Any

from django.core.management.base import BaseCommand

from escrow_platform.demo import people
from escrow_platform.demo.ground import only_where_nothing_is_real


class Command(BaseCommand):
    help = "Make the demo's people, seats and partner; keeps whoever is there."

    def handle(self, *args: Any, **options: Any) -> None:
        only_where_nothing_is_real()
        people.seed()
        self.stdout.write(", ".join(person.name for person in people.PEOPLE))
