"""The database would not wait any longer: nothing was written, and a moment later it works."""

# SQLSTATE: lock not available, query cancelled by a timeout, deadlock, serialization failure.
_TOO_BUSY = frozenset({"55P03", "57014", "40P01", "40001"})
# Seconds after which trying again is worth it.
RETRY_AFTER = 3
SENTENCE = "Nothing was moved: too much happened at once around this. Try again in a few seconds."


def is_contention(error: BaseException) -> bool:
    """Whether PostgreSQL gave up waiting, by the SQLSTATE of the driver's error below Django's."""
    codes = [
        getattr(found, name, None) for found in (error, error.__cause__) for name in ("sqlstate", "pgcode")
    ]
    return any(code in _TOO_BUSY for code in codes)
