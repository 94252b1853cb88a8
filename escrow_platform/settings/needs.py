"""What a real start asks of its variables; each refusal is a sentence with the variable and the way out."""

from ipaddress import ip_network
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from escrow_platform.settings.base import env

# Django's own measure of a signing key, and about a hundred bits of a random password.
SIGNING_KEY = 50
PASSWORD = 16
_FEW = 5


def text(name: str) -> str:
    """The variable's value; a missing or empty one stops the start."""
    value: str = env.str(name, default="").strip()
    if not value:
        raise ImproperlyConfigured(f"Set the {name} environment variable")
    return value


def secret(name: str, least: int) -> str:
    """A secret of at least `least` characters that is not one character repeated."""
    value = text(name)
    if len(value) < least or len(set(value)) < _FEW:
        raise ImproperlyConfigured(
            f"{name} is too easy to guess: set at least {least} random characters, such as those of "
            "`openssl rand -hex 32`."
        )
    return value


def hosts(name: str) -> list[str]:
    """Host names without wildcards, divided by commas."""
    found = [host.strip() for host in text(name).split(",") if host.strip()]
    for host in found:
        if "*" in host or "/" in host:
            raise ImproperlyConfigured(
                f"{name} must list the site's host names, such as escrow.example: {host!r} is none. With a "
                "wildcard, links in mails would lead to whatever host a stranger names."
            )
    return found


def site(name: str, allowed: list[str]) -> str:
    """The https address of the site, without a path, on one of its own hosts."""
    value = text(name).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query:
        raise ImproperlyConfigured(
            f"{name} must be the https address of the site and nothing more, such as https://escrow.example"
        )
    if not any(_matches(parts.hostname, host) for host in allowed):
        raise ImproperlyConfigured(f"The host of {name} is missing in ALLOWED_HOSTS: add {parts.hostname}")
    return value


def _matches(host: str, pattern: str) -> bool:
    return host == pattern or (pattern.startswith(".") and host.endswith(pattern))


def origins(name: str) -> list[str]:
    """Further origins whose forms are believed, each with https; may be empty."""
    found: list[str] = [origin.strip() for origin in env.list(name, default=[]) if origin.strip()]
    for origin in found:
        if not origin.startswith("https://") or "*" in origin:
            raise ImproperlyConfigured(
                f"{name} must list https origins without wildcards: {origin!r} is none"
            )
    return found


def proxies(name: str) -> list[str]:
    """Addresses or networks of the proxies in front; `none` where people reach the web process directly."""
    value = text(name)
    if value == "none":
        return []
    found = [part.strip() for part in value.split(",") if part.strip()]
    for part in found:
        try:
            everything = ip_network(part).prefixlen == 0
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} must list the proxies' addresses or networks, such as 127.0.0.1,10.0.7.0/28, or be "
                f"`none`: {error}"
            ) from error
        if everything:
            raise ImproperlyConfigured(
                f"{name} must not trust everybody: with {part} strangers could name any address as theirs"
            )
    return found


def postgres(name: str) -> None:
    """The address of a PostgreSQL database."""
    if urlsplit(text(name)).scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(f"{name} must be a PostgreSQL address: postgres://USER:PASSWORD@HOST/NAME")
