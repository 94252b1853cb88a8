"""A refused file is named; the other files and the text stay, wherever files are uploaded."""

import re
from pathlib import Path

import pytest
from django import forms as django_forms
from django.core.files.uploadedfile import SimpleUploadedFile

from core import files
from core.models import StoredFile
from payments.models import DealFile, DeliveryFile
from payments.pages.forms import FilesField
from tests.browser import Browser
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import Clients, url

_TOKEN = re.compile(r'name="files_kept" value="([^"]+)" checked')


def _uploads() -> list[SimpleUploadedFile]:
    return [
        SimpleUploadedFile("plan.txt", b"the plan"),
        SimpleUploadedFile("page.html", b"<html><script>1</script></html>"),
        SimpleUploadedFile("notes.txt", b"the notes"),
    ]


def _refused(client: Browser, path: str, typed: dict[str, str]) -> list[str]:
    """The references that the form keeps after one of three files was refused."""
    page = client.post(path, typed | {"files": _uploads()}).content.decode()
    assert "“page.html”: This kind of file is not accepted." in page
    assert "plan.txt (kept from before)" in page
    assert all(text in page for text in typed.values())
    return _TOKEN.findall(page)


def test_a_refused_file_of_a_delivery_drops_nothing_else(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    path = url(escrow, "deliver/")
    kept = _refused(clients.seller, path, {"note": "All of it."})
    assert len(kept) == 2
    more = SimpleUploadedFile("page.txt", b"the page")
    clients.seller.post(path, {"note": "All of it.", "files_kept": kept[1:], "files": [more]})
    names = DeliveryFile.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["notes.txt", "page.txt"]  # the one that was unticked is left out


def test_a_refused_file_of_a_draft_drops_nothing_else_and_none_is_added_twice(
    desk: Desk, clients: Clients
) -> None:
    typed = {
        "role": "buyer", "title": "A garden", "token": str(desk.token.pk), "fee_payer": "seller",
        "pay_seconds": "86400", "inspect_seconds": "604800", "opening": "all", "m-TOTAL_FORMS": "1",
        "m-INITIAL_FORMS": "0",
    }  # fmt: skip
    page = clients.buyer.post("/deals/new/", typed | {"files": _uploads(), "action": "preview"})
    kept = _TOKEN.findall(page.content.decode())
    assert "A garden" in page.content.decode()
    again = clients.buyer.post("/deals/new/", typed | {"files_kept": kept, "action": "preview"})
    assert not _TOKEN.findall(again.content.decode())  # saved with the draft, whose amount is missing
    assert DealFile.objects.count() == 2


def test_files_stay_when_a_form_is_refused_for_another_reason(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    path = url(escrow, "dispute/open/")
    page = clients.buyer.post(path, {"text": "It is empty.", "files": _uploads()[:1]})
    assert "plan.txt (kept from before)" in page.content.decode()


@pytest.mark.django_db
def test_a_reference_is_good_for_what_was_stored_and_nothing_else() -> None:
    saved = files.Saved(files.save_bytes(b"somebody's secret", "text/plain"), "secret.txt")
    field = FilesField(required=False)
    for forged in (saved.file.sha256, files.reference(saved)[:-1], "", "x:y:z"):
        assert field.clean(([], [forged])) == []
    assert field.clean(([], [files.reference(saved)])) == [saved]


@pytest.mark.django_db
def test_too_many_are_refused_before_any_is_stored() -> None:
    uploads = [SimpleUploadedFile(f"{number}.txt", b"file %d" % number) for number in range(3)]
    with pytest.raises(django_forms.ValidationError, match="At most 2 files"):
        FilesField(required=False, most=2).clean((uploads, []))
    assert not StoredFile.objects.exists()


def test_every_form_that_takes_files_takes_them_this_way() -> None:
    root = Path(__file__).resolve().parents[3]
    for folder in ("payments", "disputes", "accounts", "partners", "escrow_platform"):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            plain = re.findall(r"forms\.(?:File|Image)Field\(\s*label", text)
            assert not plain, path
            assert "stored_files.save(" not in text or path.name == "forms.py", path
