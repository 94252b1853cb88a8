"""The on-chain terms of an escrow: written once when it is opened, read back ever after."""

from datetime import datetime, timedelta

from django.conf import settings
from eth_utils.crypto import keccak

from contracts.terms import SeatsError, Terms, TermsError, arbiters_hash, check_seats
from core.errors import Invalid
from core.money import parse
from payments.agreement import Agreement
from payments.models import Deal, Escrow, EscrowPolicy

DAY = 86_400
_CHAIN_INSPECTION = (DAY, 30 * DAY)


def of(escrow: Escrow) -> Terms:
    """The stored terms of an opened escrow."""
    if escrow.terms is None:
        raise Invalid("escrow_not_open", "This escrow has not been opened yet.")
    return Terms.from_json(escrow.terms)


def four_eyes_from(decimals: int) -> int:
    """The amount, in base units, from which two seats and two people are needed."""
    return parse(settings.FOUR_EYES_DECIMAL, decimals)


def write(escrow: Escrow, deal: Deal, agreement: Agreement, now: datetime) -> None:
    """Fill in instants, terms, id and vault address of an escrow that is being opened. Saves nothing."""
    policy = EscrowPolicy.objects.filter(network=escrow.network).first()
    if policy is None:
        raise Invalid("network_not_ready", "This network is not set up for escrows yet.")
    # Whole seconds, as the chain counts them: one instant must not be stored as two.
    escrow.fund_by = (now + timedelta(seconds=agreement.pay_seconds)).replace(microsecond=0)
    last = max(escrow.deliver_at.replace(microsecond=0), escrow.fund_by)
    clocks = settings.CLOCKS
    escrow.deliver_by = last + timedelta(seconds=clocks["grace"] + clocks["backstop"])
    big = escrow.amount >= four_eyes_from(escrow.token.decimals)
    escrow.arbiters = sorted(policy.seats, key=lambda address: int(address, 16))
    escrow.arbiters_threshold = policy.four_eyes_threshold if big else policy.threshold
    terms = _terms(escrow, deal, agreement, policy)
    try:
        terms.check()
        check_seats(terms, escrow.arbiters, escrow.arbiters_threshold)
    except (TermsError, SeatsError) as error:
        raise Invalid("terms_refused", f"The contract would refuse these terms: {error}.") from error
    escrow.terms = terms.to_json()
    escrow.chain_id_hash = terms.escrow_id
    escrow.vault_address = terms.vault_address()


def _terms(escrow: Escrow, deal: Deal, agreement: Agreement, policy: EscrowPolicy) -> Terms:
    if escrow.fund_by is None or escrow.deliver_by is None or deal.agreed_version is None:
        raise Invalid("deal_not_agreed", "The deal is not agreed yet.")
    parties = {party.role: party for party in deal.parties.all()}
    inspection = escrow.inspect_seconds + settings.CLOCKS["backstop"]
    return Terms(
        home_chain_id=escrow.network.chain_id,
        token=escrow.token.address,
        amount=escrow.amount,
        buyer=parties["buyer"].address,
        seller=parties["seller"].address,
        operator=policy.operator,
        fee_recipient=policy.fee_recipient,
        fee_bps=escrow.fee_bps,
        fund_by=int(escrow.fund_by.timestamp()),
        deliver_by=int(escrow.deliver_by.timestamp()),
        inspection=min(max(inspection, _CHAIN_INSPECTION[0]), _CHAIN_INSPECTION[1]),
        arbitration=agreement.arbitration_seconds,
        fallback_seller_bps=agreement.fallback_seller_bps,
        arbiters=arbiters_hash(escrow.arbiters, escrow.arbiters_threshold),
        deal_hash=deal_hash(deal.agreed_version.hash, deal.secret_salt, escrow.position),
    )


def deal_hash(version_hash: str, salt: str, position: int) -> bytes:
    """keccak-256 over the accepted version, 256 random bits drawn after it, and the milestone's place."""
    packed = bytes.fromhex(version_hash[2:]) + bytes.fromhex(salt[2:]) + position.to_bytes(32, "big")
    return keccak(packed)
