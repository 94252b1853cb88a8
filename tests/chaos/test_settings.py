"""Nothing makes the tests kinder than the product: tasks really go through a worker."""

import importlib
import os
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from escrow_platform.celery import app
from tests.chain.helpers import ROOT
from tests.escrow_platform.test_production import NEEDED

EAGER = "task_always" + "_eager"
READ = {".py", ".toml", ".cfg", ".ini", ".env", ".yml", ".yaml", ".sh", ".json", ".txt", ""}
OMITTED = {".git", ".venv", "node_modules", "__pycache__", "staticfiles", ".holdfast", "cache", "out"}


def own_files() -> Iterator[Path]:
    """Every file of the checkout that could hold a setting."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in OMITTED]
        for name in names:
            file = Path(folder, name)
            if file.suffix in READ and file.is_file():
                yield file


def test_no_file_makes_tasks_run_in_the_caller() -> None:
    found = [file for file in own_files() if EAGER in file.read_text(errors="ignore").lower()]
    assert found == []


def test_tasks_go_through_a_worker_at_run_time() -> None:
    assert getattr(app.conf, EAGER) is False
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


@pytest.mark.parametrize("name", ["base", "local", "test", "production"])
def test_no_settings_module_makes_tasks_run_in_the_caller(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in NEEDED.items():
        monkeypatch.setenv(key, value)
    module = importlib.import_module(f"escrow_platform.settings.{name}")
    assert [key for key in vars(module) if "eager" in key.lower()] == []


def test_one_library_of_state_machines_is_installed() -> None:
    """Two distributions share the module's name; installed together one silently overwrites the other."""
    assert set(packages_distributions()["django_fsm"]) == {"django-fsm-2"}
