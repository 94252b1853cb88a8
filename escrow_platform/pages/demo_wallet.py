"""Pay from the demo wallet: on the local chain a newcomer needs no wallet of their own.

The wallet is an account that the local node itself holds the key of. This view exists only where
`settings.DEMO` is on and acts only on a network marked as local.
"""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.exceptions import TimeExhausted, Web3Exception

from chain.models import Network
from contracts.calls import erc20_transfer, test_token_mint
from payments.models import Role
from payments.pages import paying
from payments.pages.access import Visit, for_party

_OWNER, _WALLET = 0, 9
_GAS = 300_000
_PATIENCE = 15


@require_POST
@for_party
def pay(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """Send what is still due, or half of it, from the demo wallet to the escrow's address."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    if not escrow.network.is_local or not escrow.vault_address:
        raise Http404
    due = paying.read(escrow).still_due.units
    units = due // 2 if request.POST.get("part") == "half" else due
    if not units:
        messages.info(request, "Nothing is due any more.")
        return redirect("deals:pay", visit.deal.pk, escrow.pk)
    try:
        send(escrow.network, escrow.token.address, escrow.vault_address, units)
    except (Web3Exception, TimeExhausted, OSError):
        messages.error(request, "No money has moved: the demo chain did not answer. Try again.")
    else:
        messages.success(request, f"The demo wallet has sent {escrow.in_token(units)}.")
    return redirect("deals:pay", visit.deal.pk, escrow.pk)


def send(network: Network, token: str, to: str, units: int) -> str:
    """Transfer `units` base units of a test token from the demo wallet; returns the transaction hash."""
    web3 = _node(network)
    accounts = web3.eth.accounts
    wallet = accounts[_WALLET]
    if _balance(web3, token, wallet) < units:
        minted = _transact(web3, accounts[_OWNER], token, test_token_mint(wallet, units))
        web3.eth.wait_for_transaction_receipt(minted, timeout=_PATIENCE, poll_latency=0.2)
    return "0x" + bytes(_transact(web3, wallet, token, erc20_transfer(to, units))).hex()


def _node(network: Network) -> Web3:
    provider = network.providers.filter(enabled=True).first()
    if provider is None:
        raise OSError("the local network has no node")
    return Web3(HTTPProvider(provider.url))


def _balance(web3: Web3, token: str, owner: str) -> int:
    data = keccak(b"balanceOf(address)")[:4] + encode(["address"], [owner])
    answer = web3.eth.call({"to": Web3.to_checksum_address(token), "data": Web3.to_hex(data)})
    return int(decode(["uint256"], bytes(answer))[0])


def _transact(web3: Web3, sender: Any, token: str, data: bytes) -> Any:
    to = Web3.to_checksum_address(token)
    return web3.eth.send_transaction({"from": sender, "to": to, "data": Web3.to_hex(data), "gas": _GAS})
