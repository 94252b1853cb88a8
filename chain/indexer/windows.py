"""How many blocks a lane asks for at once: halved when a node refuses, whatever it says, grown slowly when it
does not.

What a busy token does in a range is held in memory: a range with very many logs makes the next one smaller.
"""

from django.db.models import F

from chain.models import ScanCursor
from chain.rpc.errors import AllProvidersFailed, LogsRefused, NotJson, SilentOnRange
from chain.services.alarms import raise_alarm, resolve_alarm

WIDEST, SMALLEST, FIRST = 2000, 1, 50
# Logs in one range: about 50 MB while they are read. The lowest limit that providers name is 10,000.
MANY_LOGS = 8_000
UNREADABLE = "block_unreadable"


def widen(cursor: ScanCursor, *, blocks: int, logs: int) -> None:
    """After a range of `blocks` that was answered with `logs`; inside the transaction that stored it."""
    wider = min(WIDEST, cursor.window + cursor.window // 4 + 1)
    if logs:
        wider = max(SMALLEST, min(wider, blocks * MANY_LOGS // logs))
    if cursor.window == SMALLEST:
        resolve_alarm(cursor.network, UNREADABLE, str(cursor.number + 1))
    if wider != cursor.window:
        ScanCursor.objects.filter(pk=cursor.pk).update(window=wider)


def shrink(cursor: ScanCursor, error: LogsRefused, asked: int) -> bool:
    """After a refusal of `asked` blocks: what the node suggests, else half. True if it makes sense to go on.

    A single block that is refused even in portions is an alarm, not a skip.
    """
    if asked <= SMALLEST:
        raise_alarm(cursor.network, UNREADABLE, str(cursor.number + 1), error.message)
        return False
    _set(cursor, max(SMALLEST, min(error.suggested or asked, asked // 2)))
    return True


def was_silent(error: AllProvidersFailed) -> bool:
    """Whether a node said nothing, or nothing that can be read, when it was asked for so many blocks."""
    return any(isinstance(cause, SilentOnRange | NotJson) for cause in error.causes)


def narrow(cursor: ScanCursor, error: AllProvidersFailed) -> None:
    """After a silence: half, down to a single block. No other failure says anything about the window."""
    if was_silent(error) and cursor.window > SMALLEST:
        _set(cursor, cursor.window // 2)


def _set(cursor: ScanCursor, window: int) -> None:
    ScanCursor.objects.filter(pk=cursor.pk, version=cursor.version).update(
        window=window, version=F("version") + 1
    )
