"""`manage.py chain_rescan`: read final blocks again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from eth_utils.address import is_address, to_checksum_address

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services.rescan import rescan
from core.errors import DomainError


class Command(BaseCommand):
    help = "Read final blocks again; what was missed becomes final events, what is known adds nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", required=True, help="its slug")
        parser.add_argument("--from", dest="start", type=int, required=True, help="first block")
        parser.add_argument("--to", dest="end", type=int, required=True, help="last block")
        parser.add_argument("--address", action="append", default=[], help="only this one; may be repeated")

    def handle(
        self, *args: Any, network: str, start: int, end: int, address: list[str], **options: Any
    ) -> None:
        row = Network.objects.filter(slug=network).first()
        if row is None:
            raise CommandError("There is no such network.")
        if not all(is_address(entry) for entry in address):
            raise CommandError("An address is 0x and 40 hexadecimal digits.")
        try:
            found = rescan(row, start, end, [to_checksum_address(entry) for entry in address])
        except (DomainError, RpcError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{found} new final events in {start}..{end}")
