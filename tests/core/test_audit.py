"""The audit log's chain of hashes is really followed, and what does not fit calls a human."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chain.models import Alarm, Network
from core import audit
from core.models import AuditEntry, LongRound
from escrow_platform import auditing
from escrow_platform.schedule import duties

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[AuditEntry]:
    """Seven entries, checked two at a time."""
    monkeypatch.setattr(audit, "PORTION", 2)
    Network.objects.create(slug="local", name="Local", chain_id=31337)
    return [
        audit.write(
            "case.viewed", subject_id=f"dsp_{number}", actor_id="usr_1", data={"number": number, "é": [1]}
        )
        for number in range(7)
    ]


def forge(statement: str, *values: object) -> None:
    """As somebody who may do everything in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, values)
        cursor.execute("SET session_replication_role = origin")


def verify(*words: str) -> str:
    out = StringIO()
    call_command("audit_verify", *words, stdout=out)
    return out.getvalue()


def daily() -> set[str]:
    """The next day's round; whom it called a human about."""
    LongRound.objects.filter(name=auditing.ROUND).update(began_at=None)
    auditing.go_on()
    return set(Alarm.objects.filter(kind="audit_broken", resolved_at=None).values_list("subject", flat=True))


def test_a_whole_log_passes_and_says_its_newest_entry(entries: list[AuditEntry]) -> None:
    assert daily() == set()
    told = verify()
    assert "7 entries" in told
    assert f"Newest entry {audit.tip()}" in told
    verify("--expect", audit.tip())


def test_no_entry_at_all_is_no_fault() -> None:
    assert "0 entries" in verify()


@pytest.mark.parametrize(
    ("forgery", "place"),
    [
        ("UPDATE core_auditentry SET actor_id = 'usr_2' WHERE id = %s", 3),
        ("UPDATE core_auditentry SET data = '{}' WHERE id = %s", 4),
        ("UPDATE core_auditentry SET created = created + interval '1 second' WHERE id = %s", 0),
    ],
)
def test_a_changed_entry_is_found(entries: list[AuditEntry], forgery: str, place: int) -> None:
    forge(forgery, entries[place].pk)
    with pytest.raises(CommandError, match=f"first {entries[place].pk}"):
        verify()
    assert daily() == {f"entry {entries[place].pk}"}


@pytest.mark.parametrize("place", [0, 1, 2, 5])
def test_an_entry_that_was_taken_away_is_found_at_the_next(entries: list[AuditEntry], place: int) -> None:
    forge("DELETE FROM core_auditentry WHERE id = %s", entries[place].pk)
    with pytest.raises(CommandError, match=f"first {entries[place + 1].pk}"):
        verify()
    assert daily() == {f"entry {entries[place + 1].pk}"}


def test_an_end_that_was_cut_off_is_found_by_what_was_its_newest_entry(entries: list[AuditEntry]) -> None:
    newest = audit.tip()
    assert daily() == set()
    forge("DELETE FROM core_auditentry WHERE id >= %s", entries[5].pk)
    with pytest.raises(CommandError, match="cut off"):
        verify("--expect", newest)
    assert daily() == {f"entry {newest}"}


def test_a_round_goes_on_where_the_last_turn_came_to(entries: list[AuditEntry]) -> None:
    auditing.go_on(seconds=-1)
    assert LongRound.objects.get(name=auditing.ROUND).after.startswith(f"{entries[1].pk}:")
    forge("UPDATE core_auditentry SET action = 'x' WHERE id = %s", entries[6].pk)
    auditing.go_on()
    assert Alarm.objects.get().subject == f"entry {entries[6].pk}"
    assert LongRound.objects.get(name=auditing.ROUND).after == ""


def test_it_is_a_duty_of_the_schedule() -> None:
    assert [duty.task for duty in duties() if duty.name == "audit log"] == [
        "escrow_platform.tasks.verify_audit"
    ]
