"""Where the stack keeps its files, and the proof that those folders are ours."""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from escrow_platform.stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
SCRATCH_PREFIX = "holdfast-scratch-"


def is_root() -> bool:
    return os.geteuid() == 0


def temp_root() -> Path:
    """The temporary folder; as root one that the unprivileged database user can reach as well."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    for folder in candidates:
        if not is_root() or _others_may_pass(folder):
            return folder
    raise StackError("No temporary folder is open to other users; set TMPDIR to one that is, such as /tmp.")


def user_folder() -> Path:
    """Our folder below the temporary folder, one per user: copies of binaries live here."""
    return own_folder(temp_root() / f"holdfast-{os.geteuid()}")


def state_folder() -> Path:
    """Where the demo keeps its data between runs; HOLDFAST_STATE overrides.

    In the checkout when we may write there; as root outside of it, because PostgreSQL then runs as an
    unprivileged user who can not be expected to reach the checkout.
    """
    if chosen := os.environ.get("HOLDFAST_STATE"):
        return _reachable(Path(chosen))
    if not is_root() and os.access(CHECKOUT, os.W_OK):
        return CHECKOUT / ".holdfast"
    name = hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]
    return Path("/var/tmp") / f"holdfast-{os.geteuid()}-{name}"


def own_folder(folder: Path) -> Path:
    """Create the folder (0755) or prove that it is ours: not a link, our uid, not open to the world.

    Raises StackError otherwise: names in a shared temporary folder can be taken by another user.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o755)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o002:
        raise StackError(f"{folder} is not a folder of your own; remove it and start again.")
    return folder


def make_scratch() -> Path:
    """A fresh folder that lives as long as one run; 0711 so that the database user passes through."""
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=temp_root()))
    folder.chmod(0o711)
    return folder


def remove_scratch(folder: Path) -> None:
    """Delete a folder made by make_scratch, and nothing else."""
    if folder.name.startswith(SCRATCH_PREFIX) and folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged_user() -> pwd.struct_passwd | None:
    """The user PostgreSQL runs as when we are root; None when we are not."""
    return pwd.getpwnam("nobody") if is_root() else None


def _reachable(folder: Path) -> Path:
    if is_root() and not _others_may_pass(folder.parent):
        raise StackError(
            f"As root, PostgreSQL runs as another user and can not reach {folder}; choose another."
        )
    return folder


def _others_may_pass(folder: Path) -> bool:
    resolved = folder.resolve()
    if not resolved.is_dir():
        return False
    return all(part.stat().st_mode & stat.S_IXOTH for part in (resolved, *resolved.parents))
