"""Network namespaces as machines: one for the services, one for each host, joined by a bridge.

Everything is made inside namespaces of this run's own and goes with them; nothing listens outside of them.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NET = "10.77.0"
SERVICES = f"{NET}.1"
HOSTS = ("left", "right")


class NotPossible(RuntimeError):
    """Why there can be no namespaces here, in one sentence."""


@dataclass(frozen=True)
class Ground:
    """The namespaces of one run, by name."""

    run: str

    @property
    def services(self) -> str:
        return f"holdfast-{self.run}-services"

    def host(self, name: str) -> str:
        return f"holdfast-{self.run}-{name}"

    def enter(self, namespace: str, hostname: str) -> list[str]:
        """What stands before a command that runs on that machine, under the machine's own name."""
        named = 'hostname "$0" && exec "$@"'
        return ["ip", "netns", "exec", namespace, "unshare", "--uts", "sh", "-c", named, hostname]

    def plug(self, name: str, *, into: bool) -> None:
        """Plug a host's cable in, or pull it out."""
        _ip("-n", self.host(name), "link", "set", "lan", "up" if into else "down")

    def build(self) -> None:
        """The services' machine with the bridge, and the hosts on it."""
        _ip("netns", "add", self.services)
        _ip("-n", self.services, "link", "set", "lo", "up")
        _ip("-n", self.services, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self.services, "addr", "add", f"{SERVICES}/24", "dev", "bridge")
        _ip("-n", self.services, "link", "set", "bridge", "up")
        for place, name in enumerate(HOSTS, start=11):
            there = self.host(name)
            _ip("netns", "add", there)
            _ip("-n", there, "link", "set", "lo", "up")
            _ip(
                "-n",
                self.services,
                "link",
                "add",
                name,
                "type",
                "veth",
                "peer",
                "name",
                "lan",
                "netns",
                there,
            )
            _ip("-n", self.services, "link", "set", name, "master", "bridge", "up")
            _ip("-n", there, "addr", "add", f"{NET}.{place}/24", "dev", "lan")
            _ip("-n", there, "link", "set", "lan", "up")

    def remove(self) -> None:
        """By their exact names; links and bridge go with them."""
        for namespace in (self.services, *(self.host(name) for name in HOSTS)):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


@contextmanager
def ground() -> Iterator[Ground]:
    """Machines for one run, gone afterwards whatever happened. Raises `NotPossible`."""
    if os.geteuid() != 0:
        raise NotPossible("Network namespaces need root; run: sudo make hosts")
    for program, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("hostname", "hostname")):
        if shutil.which(program) is None:
            raise NotPossible(f"The program {program} is missing; install it: apt-get install {package}")
    found = Ground(str(os.getpid()))
    try:
        found.build()
        yield found
    finally:
        found.remove()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPossible(f"ip {' '.join(words)}: {done.stderr.strip()}")
