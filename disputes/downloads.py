"""Files of evidence leave as downloads only: a browser is never asked to show what a party uploaded."""

from django.http import FileResponse

from core import files
from core.models import StoredFile

_POLICY = "sandbox; default-src 'none'"


def attachment(stored: StoredFile, name: str) -> FileResponse:
    """The stored bytes as an attachment under the uploader's name."""
    response = FileResponse(
        files.open_file(stored), as_attachment=True, filename=name, content_type=stored.media_type
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = _POLICY
    response["Cache-Control"] = "private, no-store"
    return response
