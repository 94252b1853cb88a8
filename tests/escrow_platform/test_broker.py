"""A real worker, and messages in its queue that are no tasks: dropped with a line, and work goes on."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from escrow_platform.broker import fault_of
from escrow_platform.celery import app

ROOT = Path(__file__).resolve().parents[2]
QUEUE = "trial"


def message(**changes: Any) -> dict[str, Any]:
    """A task as our processes send it, with changes: `properties__priority=1` goes inside."""
    body = base64.b64encode(json.dumps([[], {}, {}]).encode()).decode()
    made: dict[str, Any] = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "task": "nobody.knows", "id": "one", "retries": 0, "root_id": "one", "parent_id": None,
            "eta": None, "expires": None, "timelimit": [None, None], "group": None, "lang": "py",
        },
        "properties": {
            "correlation_id": "one", "reply_to": "", "delivery_mode": 2, "priority": 0,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "body_encoding": "base64", "delivery_tag": "one",
        },
    }  # fmt: skip
    made = deepcopy(made)
    for path, value in changes.items():
        *way, last = path.split("__")
        inner = made
        for step in way:
            inner = inner[step]
        inner[last] = value
    return made


WRONG: dict[str, Any] = {
    "a number": 5,
    "a list": [1],
    "nothing": None,
    "no properties": message(properties=None),
    "no tag": message(properties__delivery_tag=None),
    "no delivery": message(properties__delivery_info="x"),
    "a body that is no text": message(body=5),
    "a body in no base64": message(body="***"),
    "an unknown encoding": message(properties__body_encoding="rot"),
    "headers in a list": message(headers=[1]),
    "no headers": message(headers=None),
    "a task that is no name": message(headers__task=["x"]),
    "a number for an id": message(headers__id=5),
    "retries in words": message(headers__retries="few"),
    "a limit in words": message(headers__timelimit="long"),
    "a priority in words": message(properties__priority="high"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_envelope_that_would_trip_a_worker_is_seen(what: str) -> None:
    assert fault_of(WRONG[what], QUEUE)


def test_what_our_own_processes_send_is_handed_on() -> None:
    assert not fault_of(message(), QUEUE)
    with Redis.from_url(settings.CELERY_BROKER_URL) as redis:
        redis.delete("trial.own")
        app.send_task("nobody.knows", args=(1,), kwargs={"a": "é"}, queue="trial.own", countdown=60)
        (sent,) = redis.lrange("trial.own", 0, -1)
        redis.delete("trial.own")
    assert not fault_of(json.loads(sent), "trial.own")


def test_only_json_is_unpacked() -> None:
    assert set(app.conf.accept_content) == {"json"}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    log = tmp_path / "worker.log"
    words = (
        "worker",
        "--concurrency",
        "1",
        "-Q",
        QUEUE,
        "--without-gossip",
        "--without-mingle",
        "-l",
        "INFO",
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "escrow_platform.celery", *words],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "escrow_platform.settings.test"},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    yield process, log
    process.terminate()
    process.wait(20)


def test_no_message_ends_a_worker_or_keeps_it_from_the_next(
    worker: tuple["subprocess.Popen[bytes]", Path],
) -> None:
    process, log = worker
    raw = [b"no json {", b"\xff\xfe", *(json.dumps(wrong).encode() for wrong in WRONG.values())]
    unreadable = message(body=base64.b64encode(b"no json {").decode())
    yaml = message() | {"content-type": "application/x-yaml"}
    last = message(headers__task="nobody.knows.the.last")
    with Redis.from_url(settings.CELERY_BROKER_URL) as redis:
        for one in [*raw, *(json.dumps(item).encode() for item in (unreadable, yaml, last))]:
            redis.lpush(QUEUE, one)
        until = monotonic() + 60
        while "nobody.knows.the.last" not in log.read_text(errors="replace"):
            assert process.poll() is None and monotonic() < until, log.read_text(errors="replace")[-3000:]
            sleep(0.1)
        assert redis.llen(QUEUE) == 0
        assert not redis.hexists("unacked", "one")
    assert process.poll() is None
    assert log.read_text().count("message_dropped") == len(raw)
