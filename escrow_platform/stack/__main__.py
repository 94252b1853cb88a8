"""`python -m escrow_platform.stack`: run a command, or the whole demo, beside the embedded services."""

import argparse
import sys
from collections.abc import Callable, Sequence

from escrow_platform.stack import state
from escrow_platform.stack.command import run_command
from escrow_platform.stack.demo import DEFAULT_PORT
from escrow_platform.stack.errors import StackError
from escrow_platform.stack.interrupts import Interrupted, interruptible
from escrow_platform.stack.orchestra import check_demo, run_demo
from escrow_platform.stack.services import VARIABLES, scratch_run, start_services


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return guarded(lambda: int(options.run(options)))


def guarded(work: Callable[[], int]) -> int:
    """Do the work. What went wrong becomes one sentence, a signal the exit code a shell would give it."""
    try:
        with interruptible():
            return work()
    except StackError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    except Interrupted as request:
        return request.exit_code


def execute(options: argparse.Namespace) -> int:
    """Start the services in a scratch folder, run the command, return its exit code."""
    argv = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not argv:
        raise StackError("Name a command to run: python -m escrow_platform.stack exec --scratch -- COMMAND")
    with scratch_run() as run:
        start_services(run, options.services, block_time=options.block_time)
        return run_command(run, argv)


def demonstrate(options: argparse.Namespace) -> int:
    return check_demo() if options.check else run_demo(options.port)


def reset(_options: argparse.Namespace) -> int:
    state.reset()
    print("holdfast: people, deals and chain of the demo are gone.")
    return 0


def stop(_options: argparse.Namespace) -> int:
    print("holdfast: the demo has ended." if state.stop() else "holdfast: no demo runs.")
    return 0


def _services(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in VARIABLES]:
        raise argparse.ArgumentTypeError(f"unknown service {unknown[0]}; known are {', '.join(VARIABLES)}")
    return names


def _block_time(text: str) -> int | None:
    return None if text == "auto" else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m escrow_platform.stack", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    run = verbs.add_parser("exec", help="run a command beside scratch services on free ports")
    run.add_argument("--scratch", action="store_true", help="a fresh folder, deleted at the end (always so)")
    run.add_argument(
        "--services", type=_services, default=list(VARIABLES), help="of pg,redis,anvil; all by default"
    )
    run.add_argument(
        "--block-time", type=_block_time, default=1, help="seconds, or auto: a block per transaction"
    )
    run.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND ...")
    run.set_defaults(run=execute)
    demo = verbs.add_parser("demo", help="run the whole product with its embedded services")
    demo.add_argument("--check", action="store_true", help="on free ports, scratch data, ends by itself")
    demo.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the site")
    demo.set_defaults(run=demonstrate)
    verbs.add_parser("stop", help="end the demo that runs").set_defaults(run=stop)
    verbs.add_parser("reset", help="delete the demo's data").set_defaults(run=reset)
    return parser


if __name__ == "__main__":
    sys.exit(main())
