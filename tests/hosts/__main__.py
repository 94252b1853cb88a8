"""`make hosts`: builds the machines, plays on them, takes them down. Needs root."""

import os
import subprocess
import sys

from tests.hosts.ground import NotPossible, ground

LIMIT = 400  # seconds for everything


def main() -> int:
    try:
        with ground() as made:
            stack = [sys.executable, "-m", "escrow_platform.stack", "exec", "--scratch"]
            play = [*stack, "--services", "pg,redis", "--", "python", "-m", "pytest", "-x",
                    "tests/hosts/play.py", *sys.argv[1:]]  # fmt: skip
            command = [*made.enter(made.services, "services"), *play]
            # Services of the caller's environment are not on these machines.
            kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "RPC_URL")}
            return subprocess.run(
                command, env={**kept, "HOLDFAST_HOSTS": made.run}, timeout=LIMIT, check=False
            ).returncode
    except NotPossible as reason:
        print(f"holdfast: {reason}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
