from django.apps import AppConfig


class WalletsConfig(AppConfig):
    name = "wallets"
    verbose_name = "Keys"

    def ready(self) -> None:
        from chain.signing import register_resolver
        from wallets.signers import resolve

        register_resolver(resolve)
