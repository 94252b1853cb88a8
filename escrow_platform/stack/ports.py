"""Ports on the loopback interface."""

import random
import socket

from escrow_platform.stack.errors import StackError

HOST = "127.0.0.1"
# Below the range from which the kernel takes ports of outgoing connections, so that none of those races us.
FREE_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port nobody listens on. Another process may still take it: callers retry with another one."""
    source = random.SystemRandom()
    for _ in range(200):
        port = source.choice(FREE_RANGE)
        if is_free(port):
            return port
    raise StackError("No free port was found on 127.0.0.1; stop programs that listen there and try again.")


def require_free(port: int, purpose: str, way_out: str) -> int:
    """The port itself, or a StackError that names it, what it is for and the way out."""
    if is_free(port):
        return port
    raise StackError(f"Port {port} ({purpose}) is taken by another program; {way_out}")
