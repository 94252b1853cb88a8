"""Logs are JSON lines on standard error, from structlog and from the standard library alike."""

import re
from typing import Any

import structlog

# What opens a door to whoever has it: seats of deals, new passwords, confirmed addresses.
_SECRET = re.compile(
    r"((?:/|%2F)(?:invitations|password(?:/|%2F)reset(?:/|%2F)key|confirm-email)(?:/|%2F))(?!done\b)[^/%?&\s\"']+",
    re.IGNORECASE,
)


def without_secrets(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The line with the secret part of such addresses left out, wherever they stand in it."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = _SECRET.sub(r"\1***", value)
    return line


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    without_secrets,
]

structlog.configure(
    processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(),
            "foreign_pre_chain": _SHARED,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    # A receipt's fonts are subsetted in a hundred lines that nobody needs.
    "loggers": {"fontTools": {"level": "WARNING"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
