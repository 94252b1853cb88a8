"""The desk of payments, and a crew of real Celery processes that work for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from redis import Redis

from tests.chain.fixtures import *  # noqa: F403  (fixtures are shared by import)
from tests.chaos.workers import Crew
from tests.payments.fixtures import *  # noqa: F403
from tests.payments.fixtures import Desk


@pytest.fixture
def crew(desk: Desk, tmp_path: Path) -> Iterator[Callable[..., Crew]]:
    """Hire a crew with this environment; it is killed before the desk looks at the books."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.flushdb()
    hired: list[Crew] = []

    def hire(**environment: str) -> Crew:
        found = Crew(tmp_path, environment)
        hired.append(found)
        found.open()
        return found

    yield hire
    for found in hired:
        found.close()
