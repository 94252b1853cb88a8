"""A browser without scripts: a form is sent from the page on which it stands, with its hidden fields."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from django.test import Client


class _Forms(HTMLParser):
    """(where it is sent, its hidden fields) of every form that posts; an empty address is the page's own."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = given.get("method", "").lower() == "post"
            if self._open:
                self.found.append((urlsplit(given.get("action", "")).path, {}))
        elif tag == "input" and self._open and given.get("type") == "hidden" and given.get("name"):
            self.found[-1][1][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def hidden_fields(html: str, path: str, page: str = "") -> dict[str, str]:
    """The hidden fields of the form on `page` that is sent to `path`; none where there is no such form."""
    parser = _Forms()
    parser.feed(html)
    return next((fields for action, fields in parser.found if (action or page) == path), {})


class Browser(Client):
    """Looks at the page first, as a person does; `opened` is what it showed, for whoever clicks later."""

    def opened(self, path: str, **extra: Any) -> dict[str, str]:
        """The hidden fields of the form that is sent to `path`, from the page to which that address leads."""
        page = self.get(path, follow=True, **extra)
        shown = page.redirect_chain[-1][0] if page.redirect_chain else path
        if page.status_code != 200 or page.streaming:
            return {}
        return hidden_fields(page.content.decode(), urlsplit(path).path, urlsplit(shown).path)

    def post(self, path: str, data: Any = None, *args: Any, **extra: Any) -> Any:  # type: ignore[override]
        """Send the form; a mapping that has `seen` already is sent as it is."""
        if data is None or (isinstance(data, dict) and "seen" not in data):
            shown = {name: value for name, value in self.opened(path).items() if not name.startswith("m-")}
            data = shown | (data or {})
        return super().post(path, data, *args, **extra)
