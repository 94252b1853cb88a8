"""`manage.py seat_key`: another key takes a seat, in two steps with the seat's 7 days between them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.rpc.errors import RpcError
from core.actors import Actor
from core.errors import DomainError
from wallets.models import Seat
from wallets.services import seats


class Command(BaseCommand):
    help = "Announce a new key of a seat, or (--adopt) sign with it once it took the seat on every network."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("seat", help="address of the seat")
        parser.add_argument("--adopt", action="store_true", help="the announced key has taken the seat")
        parser.add_argument("--by", required=True, help="who does it, for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        seat = Seat.objects.filter(address=options["seat"]).first()
        if seat is None:
            raise CommandError("There is no such seat.")
        acting = Actor("staff", options["by"], options["by"])
        try:
            if options["adopt"]:
                self.stdout.write(f"{seat.label} signs with {seats.adopt_key(seat.pk, acting=acting).key}")
                return
            data = seats.announce_key(seat.pk, acting=acting)
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"On every network, from the seat's cold key {seat.cold}: to {seat.address} data 0x{data.hex()}\n"
            f"7 days later anyone sends replace() to {seat.address}; then run this again with --adopt."
        )
