"""Give the application's database role its rights."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import rights


class Command(BaseCommand):
    help = (
        "Give the application's role what it needs of every table and nothing more. Run it as the owner of "
        "the tables after every migrate; running it again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--role", default="holdfast_app", help="the one that the application's logins are in"
        )

        parser.add_argument("--if-there", action="store_true", help="do nothing where there is no such role")

    def handle(self, *args: Any, role: str, if_there: bool, **options: Any) -> None:
        try:
            tables = rights.grant(role)
        except rights.NoSuchRole as error:
            if if_there:
                self.stdout.write(f"There is no role {role}: nothing was changed.")
                return
            raise CommandError(
                f"There is no role {role}: nothing was changed. Make it as in docs/operators.md, First start."
            ) from error
        self.stdout.write(f"{role} has its rights on {tables} tables.")
