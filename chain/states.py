"""States of what the engine writes: one table each, read by the FSM methods and the database guards."""

from core.states import StateTable

CALL = StateTable.of(
    initial=["waiting"],
    edges={
        "waiting": ["sent", "failed", "superseded", "needs_human"],
        "sent": ["done", "failed", "needs_human"],
        "failed": ["superseded"],
        "needs_human": ["superseded"],
    },
)

TRANSACTION = StateTable.of(
    initial=["assigned"],
    edges={
        "assigned": ["sent", "mined", "needs_human"],
        "sent": ["mined", "needs_human"],
        "mined": ["sent", "final_ok", "final_reverted", "cancelled", "needs_human"],
    },
)

SENDER = StateTable.of(
    initial=["active"],
    edges={
        "active": ["frozen", "retiring"],
        "frozen": ["active", "retiring"],
        "retiring": ["active", "frozen"],
    },
)

# Transactions whose nonce is taken and whose outcome is not yet final.
OPEN_TRANSACTIONS = ("assigned", "sent", "mined")
# Those that no block holds: they count as in flight.
UNMINED_TRANSACTIONS = ("assigned", "sent")
