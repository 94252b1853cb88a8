"""Files that people upload: content-addressed, told apart by content, bounded in size."""

import hashlib
from dataclasses import dataclass
from typing import IO

import puremagic
from django.conf import settings
from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile

from core import clock
from core.errors import FieldError, Invalid
from core.models import StoredFile
from core.text import short_fault

# Told by their first bytes. What a browser would run (HTML, SVG, scripts) is never among them.
ALLOWED = {
    "application/pdf": "PDF",
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WebP",
    "application/zip": "ZIP",
    "text/plain": "plain text",
}
# The field in which forms carry such references.
KEPT_FIELD = "files_kept"
_SALT = "a file that a form keeps"
_REFERENCE_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Saved:
    """A stored file with the name its uploader gave it."""

    file: StoredFile
    name: str


def save(upload: "UploadedFile[bytes]", *, pointer: str = "/file") -> Saved:
    """Store an upload once by its SHA-256. Raises `Invalid` for empty, too large or unknown content, and
    for a name that does not show what it says."""
    content = upload.read(settings.UPLOAD_LIMIT_BYTES + 1)
    _check_size(len(content), pointer)
    name = name_of(upload)
    if short_fault(name):
        message = "The name of this file holds characters that hide or turn it. Rename the file."
        raise Invalid("file_name", message, [FieldError(pointer, "file_name", message)])
    return Saved(save_bytes(content, sniff(content, pointer)), name)


def name_of(upload: "UploadedFile[bytes]") -> str:
    """The uploader's name of a file, without folders and at most 120 characters long."""
    return (upload.name or "file").replace("\\", "/").rsplit("/", 1)[-1][:120]


def reference(saved: Saved) -> str:
    """What a form carries of a file that is stored already, so that nobody has to choose it again.

    Signed: who knows only the hash of somebody's file cannot refer to it.
    """
    return signing.dumps([saved.file.sha256, saved.name], salt=_SALT)


def referenced(token: str) -> Saved | None:
    """The stored file of a reference; None for one that is forged or older than a day."""
    try:
        sha256, name = signing.loads(token, salt=_SALT, max_age=_REFERENCE_SECONDS)
    except signing.BadSignature:
        return None
    found = StoredFile.objects.filter(sha256=sha256).first()
    return Saved(found, name) if found else None


def save_bytes(content: bytes, media_type: str) -> StoredFile:
    """Store bytes whose type is known; the same content gives the same row."""
    digest = "0x" + hashlib.sha256(content).hexdigest()
    path = storage_path(digest)
    _put(path, content)
    stored, _ = StoredFile.objects.get_or_create(
        sha256=digest,
        defaults={"size": len(content), "media_type": media_type, "created": clock.now()},
    )
    return stored


def _put(path: str, content: bytes) -> None:
    """Write the bytes once; what a process that died half way left behind is written anew."""
    if default_storage.exists(path):
        if default_storage.size(path) == len(content):
            return
        default_storage.delete(path)
    default_storage.save(path, ContentFile(content))


def open_file(stored: StoredFile) -> IO[bytes]:
    """The stored bytes, for a download."""
    return default_storage.open(storage_path(stored.sha256))


def storage_path(sha256: str) -> str:
    digits = sha256.removeprefix("0x")
    return f"files/{digits[:2]}/{digits}"


def sniff(content: bytes, pointer: str) -> str:
    """The media type by content; `Invalid` when it is none of `ALLOWED`."""
    media_type = _by_magic(content) or _as_text(content)
    if media_type not in ALLOWED:
        message = f"This kind of file is not accepted. Send {', '.join(sorted(ALLOWED.values()))}."
        raise Invalid("file_type", message, [FieldError(pointer, "file_type", message)])
    return media_type


def _by_magic(content: bytes) -> str | None:
    try:
        matches = puremagic.magic_string(content)
    except puremagic.PureError:
        return None
    found = [match.mime_type for match in matches if match.mime_type in ALLOWED and match.byte_match]
    return found[0] if found and found[0] != "text/plain" else None


def _as_text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text or text.lstrip()[:1] == "<" else "text/plain"


def _check_size(size: int, pointer: str) -> None:
    limit = settings.UPLOAD_LIMIT_BYTES
    if not size:
        raise Invalid("file_empty", "The file is empty.", [FieldError(pointer, "file_empty", "Empty.")])
    if size > limit:
        message = f"The file is larger than {limit // 1_000_000} MB."
        raise Invalid("file_too_large", message, [FieldError(pointer, "file_too_large", message)])
