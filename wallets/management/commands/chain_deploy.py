"""`manage.py chain_deploy`: contracts, token, provider and senders of a network."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chain.models import Network, Sender
from chain.rpc.errors import RpcError
from chain.services import deployment, networks
from chain.signing import SIGNER_FAILURES
from contracts.artifacts import TEST_USDT_ADDRESS
from wallets.services.operators import ensure_deployer, ensure_senders


class Command(BaseCommand):
    help = "Deploy the contracts where they are missing, else verify them; record the senders. Idempotent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", default="local", help="slug of the network; default: local")

    def handle(self, *args: Any, **options: Any) -> None:
        network = self._network(options["network"])
        try:
            networks.refuse_demo(network)
            lines = deployment.deploy(network, self._payer(network))
            if network.is_local:
                networks.register_token(network, TEST_USDT_ADDRESS, "USDT", 6, 1_000_000)
            lines += [f"sender {sender}" for sender in ensure_senders(network)]
            lines += networks.verify(network)
        except (RpcError, networks.UnfitNode, *SIGNER_FAILURES) as error:
            raise CommandError(f"{network.name}: {error}") from error
        for line in lines:
            self.stdout.write(line)

    def _payer(self, network: Network) -> Sender | None:
        """Who pays, where something is missing and the node itself does not."""
        if network.is_local or not deployment.missing(network):
            return None
        return ensure_deployer(network)

    def _network(self, slug: str) -> Network:
        if slug == "local":
            return networks.local_network(settings.RPC_URL)
        network = Network.objects.filter(slug=slug).first()
        if network is None:
            raise CommandError(f"There is no network “{slug}”; add it in the admin first.")
        return network
