"""What the demo consists of, as plain data: edit these lists, not the machinery in `orchestra`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_PORT = 8000
CHECK_LIMIT = 15 * 60  # seconds a headless demo may take before it counts as failed
PYTHON = sys.executable


@dataclass(frozen=True)
class Step:
    """One command that must succeed before the next one starts."""

    title: str
    argv: tuple[str, ...]
    login: str = "work"  # of the database; "" is the owner's


@dataclass(frozen=True)
class Process:
    """One process that runs as long as the demo and is started again when it crashes."""

    name: str
    argv: tuple[str, ...]  # {port} becomes the port of the site
    serves_site: bool = False  # it is ready when the site answers
    login: str = "work"  # of the database


@dataclass(frozen=True)
class Plan:
    prepare: tuple[Step, ...]  # output goes to logs, shown when it fails
    processes: tuple[Process, ...]
    show: tuple[Step, ...]  # output is shown


def manage(*words: str) -> tuple[str, ...]:
    return (PYTHON, "manage.py", *words)


PLAN = Plan(
    prepare=(
        Step("Preparing the database", manage("migrate", "--no-input"), login=""),
        Step("Giving the application its rights", manage("grant_rights", "--if-there"), login=""),
        Step("Deploying the contracts", manage("chain_deploy")),
        Step("Deploying the operator and the seats", manage("operator_deploy")),
        Step("Introducing the people", manage("demo_seed")),
    ),
    processes=(
        Process(
            "web",
            (
                *(PYTHON, "-m", "uvicorn", "escrow_platform.asgi:application"),
                *("--host", "127.0.0.1", "--port", "{port}", "--timeout-graceful-shutdown", "3"),
                # The application logs requests itself, without what opens doors.
                "--no-access-log",
            ),
            serves_site=True,
            login="web",
        ),
        Process(
            "worker",
            (
                *(PYTHON, "-m", "celery", "-A", "escrow_platform.celery", "worker"),
                *("--concurrency", "2", "--loglevel", "INFO"),
            ),
        ),
        Process("heads", manage("chain_heads")),
        Process(
            "beat",
            (
                *(PYTHON, "-m", "celery", "-A", "escrow_platform.celery", "beat"),
                *("--pidfile=", "--loglevel", "INFO"),
            ),
        ),
    ),
    show=(
        Step("Playing the deals", manage("demo_play")),
        Step("What there is to see", manage("demo_summary")),
    ),
)


def environment(folder: str, port: int) -> Mapping[str, str]:
    """What the steps and processes find in their environment beside the services' addresses."""
    return {
        "DJANGO_SETTINGS_MODULE": "escrow_platform.settings.local",
        "HOLDFAST_STATE": folder,
        "MEDIA_ROOT": f"{folder}/media",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
