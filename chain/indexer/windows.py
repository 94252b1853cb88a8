"""How many blocks a lane asks for at once: halved when a node refuses, grown slowly when it does not."""

from django.db.models import F

from chain.models import ScanCursor
from chain.rpc.errors import RangeTooLarge
from chain.services.alarms import raise_alarm

WIDEST, SMALLEST = 2000, 1


def widen(cursor: ScanCursor) -> None:
    """After a range that was answered; inside the transaction that stored it."""
    if cursor.window < WIDEST:
        wider = min(WIDEST, cursor.window + cursor.window // 4 + 1)
        ScanCursor.objects.filter(pk=cursor.pk).update(window=wider)


def shrink(cursor: ScanCursor, error: RangeTooLarge, asked: int) -> bool:
    """After a refusal of `asked` blocks: what the node suggests, else half. True if it makes sense to go on.

    A single block that fails is an alarm, not a skip.
    """
    if asked <= SMALLEST:
        raise_alarm(cursor.network, "block_unreadable", str(cursor.number + 1), error.message)
        return False
    _set(cursor, max(SMALLEST, min(error.suggested or asked, asked // 2)))
    return True


def narrow(cursor: ScanCursor) -> None:
    """After a silence: half, down to a single block."""
    if cursor.window > SMALLEST:
        _set(cursor, cursor.window // 2)


def _set(cursor: ScanCursor, window: int) -> None:
    ScanCursor.objects.filter(pk=cursor.pk, version=cursor.version).update(
        window=window, version=F("version") + 1
    )
