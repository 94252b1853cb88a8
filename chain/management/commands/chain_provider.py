"""`manage.py chain_provider`: who is asked on a network, and what a person decides about a provider."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chain.models import Network, Provider
from chain.rpc import pool
from chain.services import providers
from core.actors import Actor
from core.errors import DomainError


class Command(BaseCommand):
    help = "List a network's providers in the order they are asked; switch one on or off; trust one again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--network", required=True, help="its slug")
        parser.add_argument("do", choices=["list", "on", "off", "trust"])
        parser.add_argument("--id", type=int, help="of the provider, as the list shows it")
        parser.add_argument("--by", default="", help="who decided it; goes into the audit log")
        parser.add_argument("--reason", default="", help="what was found")

    def handle(self, *args: Any, network: str, do: str, by: str, reason: str, **options: Any) -> None:
        row = Network.objects.filter(slug=network).first()
        if row is None:
            raise CommandError("There is no such network.")
        if do == "list":
            for provider in [*pool.providers(row), *Provider.objects.filter(network=row, enabled=False)]:
                self.stdout.write(_line(provider))
            return
        chosen = Provider.objects.filter(network=row, pk=options["id"]).first()
        if chosen is None or not by:
            raise CommandError("Name the provider (--id) and who decided it (--by).")
        acting = Actor("staff", by, by)
        try:
            if do == "trust":
                providers.trust_again(provider=chosen, reason=reason, acting=acting)
            else:
                providers.switch(provider=chosen, enabled=do == "on", reason=reason, acting=acting)
        except DomainError as error:
            raise CommandError(str(error)) from error
        chosen.refresh_from_db()
        self.stdout.write(_line(chosen))


def _line(row: Provider) -> str:
    facts = [
        "on" if row.enabled else "off",
        f"head {row.head_number}",
        f"final {row.final_number}",
        *(["lags"] if row.lagging else []),
        *([f"rests until {row.rests_until:%H:%M:%S}"] if row.rests_until else []),
        *([f"left alone until {row.limited_until:%H:%M:%S}"] if row.limited_until else []),
        *([f"demoted: {row.demoted_reason}"] if row.demoted_reason else []),
    ]
    return f"{row.pk} {row}: " + ", ".join(facts)
