"""The demo wallet: pays an escrow on a local network, where money is worth nothing."""

from django.conf import settings

from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.services.deployment import send_unlocked
from contracts.calls import erc20_transfer, test_token_mint
from core.errors import Forbidden
from payments.models import Escrow


def pay(escrow: Escrow, units: int) -> None:
    """Mint `units` base units of the test token and send them to the escrow's address, as a buyer would.

    Raises `Forbidden` on any network that is not local, and outside the demo. Talks to the node:
    call it outside a transaction.
    """
    if not (settings.DEMO and escrow.network.is_local):
        raise Forbidden("not_a_demo", "The demo wallet only pays on the local chain.")

    def transfer(rpc: Rpc) -> None:
        wallet = rpc.call("eth_accounts")[0]
        send_unlocked(rpc, escrow.token.address, test_token_mint(wallet, units))
        send_unlocked(rpc, escrow.token.address, erc20_transfer(escrow.vault_address, units))

    pool.run(escrow.network, transfer)
