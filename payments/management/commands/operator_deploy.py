"""`manage.py operator_deploy`: the gate that acts as operator, and the seats that rule, on one network."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from eth_utils.address import is_checksum_address

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import contracts, networks
from core.errors import DomainError
from payments.models import EscrowPolicy
from payments.services import setup
from wallets.services import gates, seats

SEATS = 4


class Command(BaseCommand):
    help = (
        "Deploy (local network) or find the operator's gate and the seats, record them, compare their keys "
        "with the chain, and have new escrows name them. Idempotent; run it again to check."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", default="local", help="slug of the network; default: local")
        parser.add_argument("--cold", default="", help="the gate's cold key: it adds and takes away keys")
        parser.add_argument("--seat-cold", default="", help="the seats' cold key: it replaces theirs")
        parser.add_argument("--second", default="", help="a second key outside; default: one is made here")
        renew = "a gate with the keys and caps of today for new escrows, beside the one that is there"
        parser.add_argument("--renew", action="store_true", help=renew)
        parser.add_argument("--fee-recipient", default="", help="write the escrow policy with it")

    def handle(self, *args: Any, **options: Any) -> None:
        network = Network.objects.filter(slug=options["network"]).first()
        if network is None:
            raise CommandError(f"There is no network “{options['network']}”.")
        try:
            networks.refuse_demo(network)
            self._deploy(network, options)
        except contracts.NotDeployed as error:
            lines = [f"{one.name}: to {one.to} data 0x{one.data.hex()}" for one in error.deployments]
            send = "Send these from any account, then run this again:\n" + "\n".join(lines)
            raise CommandError(f"{error}. {send}") from error
        except (RpcError, networks.UnfitNode) as error:
            raise CommandError(f"{network.name}: {error}") from error
        except DomainError as error:
            raise CommandError(error.message) from error

    def _deploy(self, network: Network, options: dict[str, Any]) -> None:
        cold, seat_cold = self._cold_keys(network, options)
        second = _address(options["second"], "--second")
        gate = gates.ensure_gate(network, cold=cold, second=second, renew=options["renew"])
        self.stdout.write(f"operator {gate.address}, cold key {gate.cold}, second key {gate.second}")
        found = seats.ensure_seats(network, cold=seat_cold, count=SEATS)
        for seat in found:
            self.stdout.write(f"{seat.label} at {seat.address}, key {seat.key}, cold key {seat.cold}")
        for difference in gates.inspect_gate(gate):
            self.stdout.write(f"differs from what was known: {difference.key} {difference.found}")
        able = {seat.pk for seat in seats.able(network, [seat.address for seat in found])}
        for seat in found:
            if seat.pk not in able:
                self.stdout.write(f"differs from what was known: {seat.label} has another key on chain")
        self._write_policy(network, [seat.address for seat in found[:SEATS]], options["fee_recipient"])

    def _write_policy(self, network: Network, addresses: list[str], fee_recipient: str) -> None:
        known = EscrowPolicy.objects.filter(network=network).first()
        if known is None and not fee_recipient:
            return
        recipient = known.fee_recipient if known else _address(fee_recipient, "--fee-recipient")
        policy = setup.ensure_policy(network, seats=addresses, fee_recipient=recipient)
        self.stdout.write(f"new escrows name operator {policy.operator}")

    def _cold_keys(self, network: Network, options: dict[str, Any]) -> tuple[str, str]:
        """As given; on a local network the node's own last accounts, whose keys the platform has not."""
        local = contracts.unlocked_accounts(network)
        gate_cold = _address(options["cold"], "--cold") or (local[-1] if local else "")
        seat_cold = _address(options["seat_cold"], "--seat-cold") or (local[-2] if local else "")
        if not gate_cold or not seat_cold or gate_cold == seat_cold:
            raise CommandError(
                "Name two different cold keys: --cold for the gate, --seat-cold for the seats."
            )
        return gate_cold, seat_cold


def _address(text: str, option: str) -> str:
    if text and not is_checksum_address(text):
        raise CommandError(f"{option} {text} is no checksummed address.")
    return text
