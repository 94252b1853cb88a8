"""Deals, escrows, payouts and books."""

from payments.models.absence import Absence, AbsenceHold
from payments.models.books import Account, AccountKind, Entry, Journal
from payments.models.budget import Budget
from payments.models.deal import Deal, DealFile, DealVersion, Party, Role
from payments.models.escrow import (
    SMALL,
    Delivery,
    DeliveryFile,
    Deposit,
    DepositReversal,
    Escrow,
    RefundRequest,
)
from payments.models.incident import Incident, Pulse, TimeGiven
from payments.models.payout import (
    DECIDING,
    PAYING,
    Approval,
    EscrowPolicy,
    KillSwitch,
    LegKind,
    Order,
    OrderKind,
    PayoutLeg,
    ProjectionCursor,
)

__all__ = [
    "DECIDING",
    "PAYING",
    "SMALL",
    "Absence",
    "AbsenceHold",
    "Account",
    "AccountKind",
    "Approval",
    "Budget",
    "Deal",
    "DealFile",
    "DealVersion",
    "Delivery",
    "DeliveryFile",
    "Deposit",
    "DepositReversal",
    "Entry",
    "Escrow",
    "EscrowPolicy",
    "Incident",
    "Journal",
    "KillSwitch",
    "LegKind",
    "Order",
    "OrderKind",
    "Party",
    "PayoutLeg",
    "ProjectionCursor",
    "Pulse",
    "RefundRequest",
    "Role",
    "TimeGiven",
]
