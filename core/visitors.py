"""Where a visitor comes from, by network address, as every limit counts it."""

from ipaddress import IPv6Address, ip_address, ip_network


def plain(address: str) -> str:
    """The address as it is compared: an IPv4 visitor is one also where the server listens on IPv6. What is no
    address stays as it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found)))  # without the name of an interface
    return str(found)


def network(address: str) -> str:
    """Whom a limit counts: one IPv4 address, or the /64 of IPv6 that a single subscriber has whole."""
    found = plain(address)
    return str(ip_network(f"{found}/64", strict=False)) if ":" in found and is_address(found) else found


def is_address(text: str) -> bool:
    """Whether this is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
