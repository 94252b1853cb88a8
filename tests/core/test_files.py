"""Content-addressed files: the same content once, and whole."""

from pathlib import Path
from typing import Any

import pytest

from core import files


@pytest.mark.django_db
def test_what_a_dying_process_left_half_written_is_written_anew(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    stored = files.save_bytes(b"evidence, in full", "text/plain")
    path = tmp_path / files.storage_path(stored.sha256)
    path.write_bytes(b"evid")
    assert files.save_bytes(b"evidence, in full", "text/plain") == stored
    assert path.read_bytes() == b"evidence, in full"
    assert list(path.parent.iterdir()) == [path]
