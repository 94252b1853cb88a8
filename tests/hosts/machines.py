"""What runs on a host: a Celery worker, a sweeper that reads and sends without Celery, perhaps beat."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from tests.chain.helpers import ROOT, process_environment
from tests.chaos.workers import Crew
from tests.hosts.ground import SERVICES, Ground


def address_of(url: str) -> str:
    """The same service, as a host reaches it."""
    parts = urlsplit(url)
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return parts._replace(netloc=f"{login}{SERVICES}:{parts.port}").geturl()


@dataclass
class Machine(Crew):
    """A crew on a host of its own; its log is called after the host."""

    ground: Ground | None = None
    name: str = ""
    _sweeper: "subprocess.Popen[bytes] | None" = field(default=None)

    def launcher(self) -> list[str]:
        assert self.ground is not None
        return self.ground.enter(self.ground.host(self.name), self.name)

    def sweeper(self) -> None:
        """`manage.py sweep --forever`: reads the chain, signs, sends and projects, beside the worker."""
        with (self.folder / f"{self.name}-sweep.log").open("ab") as log:
            self._sweeper = subprocess.Popen(
                [
                    *self.launcher(),
                    sys.executable,
                    str(ROOT / "manage.py"),
                    "sweep",
                    "--forever",
                    "--pause",
                    "0.5",
                ],
                env=process_environment(**self.environment),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def close(self) -> None:
        if self._sweeper is not None:
            os.killpg(self._sweeper.pid, signal.SIGKILL)
            self._sweeper.wait()
            self._sweeper = None
        super().close()

    def tasks_done(self) -> int:
        """How many tasks this host's worker finished."""
        return self.log(f"{self.name}-worker").count(" succeeded in ")


def machine(ground: Ground, name: str, folder: Path) -> Machine:
    """A host whose processes find the services at the bridge, and say to PostgreSQL who they are."""
    db = connection.settings_dict
    url = f"postgres://{db['USER']}:{db['PASSWORD']}@{SERVICES}:{db['PORT']}/{db['NAME']}"
    environment = {"DATABASE_URL": url, "REDIS_URL": address_of(settings.REDIS_URL), "PGAPPNAME": name}
    return Machine(folder, environment, ground=ground, name=name)


WATCHED = ("core_statetransition", "chain_attempt", "chain_finalevent", "chain_block")


def note_authors() -> None:
    """From now on the database notes which host wrote each row of `WATCHED`."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS hosts_wrote (host text, what text)")
        cursor.execute("TRUNCATE hosts_wrote")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION hosts_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO hosts_wrote VALUES (current_setting('application_name'), TG_TABLE_NAME); "
            "RETURN NULL; END $$"
        )
        for table in WATCHED:
            cursor.execute(
                f"CREATE OR REPLACE TRIGGER hosts_note AFTER INSERT ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION hosts_note()"
            )


def written() -> Counter[tuple[str, str]]:
    """How many rows each host wrote, by (host, table)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT host, what, count(*) FROM hosts_wrote GROUP BY host, what")
        return Counter({(host, what): count for host, what, count in cursor.fetchall()})
