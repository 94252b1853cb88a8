"""F37: the database itself refuses illegal states and any change to what is written once."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from chain.models import (
    Attempt,
    Block,
    Call,
    ContractLog,
    FinalEvent,
    LogInclusion,
    Reorg,
    ScanCoverage,
    ScanCursor,
    Sender,
    TokenTransfer,
    Transaction,
    TransferInclusion,
    WatchedAddress,
)
from tests.chain.fixtures import Engine
from tests.chain.helpers import ALICE, BOB, order, stock, watched

APPEND_ONLY = [FinalEvent, TransferInclusion, LogInclusion, ScanCoverage, Reorg]
NEVER_DELETED = [*APPEND_ONLY, Block, WatchedAddress, TokenTransfer, ContractLog, ScanCursor, Attempt,
                 Transaction, Call, Sender]  # fmt: skip
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def settled(engine: Engine) -> Engine:
    """A final deposit and a final payout."""
    stock(engine)
    watched(engine, ALICE, "esc_1")
    watched(engine, BOB, "esc_2")
    engine.chain.pay(ALICE, 5)
    order(engine)
    engine.settle()
    return engine


def _refused(act: "object", *args: object, **kwargs: object) -> None:
    with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
        act(*args, **kwargs)  # type: ignore[operator]


def test_f37_a_state_cannot_jump_whoever_writes(settled: Engine) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    _refused(Transaction.objects.update, state="sent")
    _refused(Call.objects.update, outcome="waiting")
    _refused(Sender.objects.update, state="unheard")
    with connection.cursor() as cursor:
        _refused(cursor.execute, "UPDATE chain_call SET outcome = 'failed'")


def test_f37_no_row_is_born_in_a_later_state(settled: Engine) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    row = Transaction.objects.get()
    fresh = {"sender": row.sender, "nonce": 99, "target": row.target, "data": b"\1", "gas_limit": 1,
             "created_at": NOW, "next_send_at": NOW}  # fmt: skip
    _refused(Transaction.objects.create, **fresh, state="final_ok")
    _refused(Transaction.objects.bulk_create, [Transaction(**fresh, state="mined")])
    Transaction.objects.create(**fresh)


@pytest.mark.parametrize("model", NEVER_DELETED, ids=lambda model: model.__name__)
def test_f37_nothing_is_deleted_or_truncated(settled: Engine, model: type[models.Model]) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    manager = model._meta.default_manager
    assert manager is not None
    if manager.exists():
        _refused(manager.all()._raw_delete, "default")
    with connection.cursor() as cursor:
        _refused(cursor.execute, f'TRUNCATE "{model._meta.db_table}" CASCADE')


def test_f37_what_is_final_is_never_rewritten(settled: Engine) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    _refused(FinalEvent.objects.update, seq=models.F("seq") + 10)
    _refused(TransferInclusion.objects.update, log_index=9)
    _refused(TokenTransfer.objects.update, amount=1)
    _refused(TokenTransfer.objects.update, final_block=None)
    _refused(Block.objects.update, timestamp=NOW)
    _refused(ScanCursor.objects.filter(lane="safe").update, number=0)


def test_f37_signed_bytes_and_requests_are_fixed_but_send_bookkeeping_is_not(settled: Engine) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    _refused(Attempt.objects.update, raw=b"\1")
    _refused(Attempt.objects.update, hash="0x" + "1" * 64)
    _refused(Call.objects.update, data=b"\1")
    _refused(Call.objects.update, idempotency_key="other")
    _refused(Transaction.objects.update, nonce=7)
    assert Attempt.objects.update(send_count=9) == 1


def test_f37_a_call_never_gets_a_second_transaction_and_a_nonce_never_goes_back(settled: Engine) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    other = Transaction.objects.create(
        sender=Sender.objects.get(purpose="payouts"), nonce=99, target=BOB, data=b"\1", gas_limit=1,
        created_at=NOW, next_send_at=NOW,
    )  # fmt: skip
    _refused(Call.objects.update, transaction=other)
    _refused(Sender.objects.filter(purpose="payouts").update, next_nonce=0)


def test_a_nonce_is_used_once_and_one_block_of_a_number_is_canonical(settled: Engine) -> None:
    row, block = Transaction.objects.get(), Block.objects.filter(canonical=True).first()
    assert block is not None
    _refused(
        Transaction.objects.create, sender=row.sender, nonce=row.nonce, target=BOB, data=b"\1", gas_limit=1,
        created_at=NOW, next_send_at=NOW,
    )  # fmt: skip
    _refused(
        Block.objects.create, network=block.network, number=block.number, hash="0x" + "7" * 64,
        parent_hash=block.parent_hash, timestamp=NOW, canonical=True,
    )  # fmt: skip
